// The still parts of a page (dashboard/still.py): nested lists become elements. Texts are set as text by React.
(function () {
  "use strict";
  var WRONG = /^[\u0000-\u0020]*(javascript|vbscript|data(?!:image\/))[\u0000-\u0020]*:/i;

  // Our own pages are shown without loading anew; other clicks (new tab, another host) are the browser's.
  function follow(event) {
    var href = event.currentTarget.getAttribute("href");
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.gatewatch.go(href);
  }

  // whole: a table that is not to be sorted.
  function made(node, whole) {
    if (!Array.isArray(node)) return node;
    var tag = node[0], properties = Object.assign({}, node[1]), tables = window.gatewatch.tables;
    if (tag === "table" && whole !== true) return React.createElement(tables.Table, { node: node, made: made });
    if (properties["data-sheet"]) return React.createElement(tables.Bar, { text: properties["data-sheet"] });
    ["href", "src"].forEach(function (name) {
      if (typeof properties[name] === "string" && WRONG.test(properties[name])) delete properties[name];
    });
    if (tag === "Link") {
      tag = "a";
      if (!properties.target) properties.onClick = follow;
    }
    return React.createElement.apply(null, [tag || React.Fragment, tag ? properties : null].concat(node.slice(2).map(function (one) { return made(one); })));
  }

  function Still(given) {
    return React.createElement.apply(null, [React.Fragment, null].concat((given.tree || []).map(function (one) { return made(one); })));
  }
  window.gatewatch_parts = Object.assign(window.gatewatch_parts || {}, { Still: Still });
})();
