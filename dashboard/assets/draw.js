// How a page gets onto the screen. A page that is drawn anew at the same address is laid over the one that stands there:
// only properties that changed are set, so that scroll, focus, open menus and what was typed stay as they are.
(function () {
  "use strict";
  var none = function () { return window.dash_clientside.no_update; };
  var last = {}, shown = null;
  var same = function (a, b) { return JSON.stringify(a) === JSON.stringify(b); };
  var isPart = function (one) { return !!one && typeof one === "object" && !Array.isArray(one) && "props" in one; };

  // Gathers what has to be set into `sets`; false where the two pages consist of other components.
  function compared(before, after, sets) {
    if (Array.isArray(before) && Array.isArray(after)) {
      return before.length === after.length && before.every(function (one, place) {
        return compared(one, after[place], sets);
      });
    }
    if (!isPart(before) || !isPart(after)) return same(before, after);
    if (before.type !== after.type || before.namespace !== after.namespace) return false;
    var was = before.props, now = after.props, changed = {};
    if (!same(was.id, now.id)) return false;
    if (Object.keys(was).some(function (name) { return !(name in now); })) return false;
    Object.keys(now).forEach(function (name) {
      if (name !== "children" && !same(was[name], now[name])) changed[name] = now[name];
    });
    if (Object.keys(changed).length) sets.push([now.id, changed]);
    return compared(was.children, now.children, sets);
  }

  // Each chart with its figure and the theme's template: else it would be drawn empty first, and a second time by
  // `themed`, which leaves out those that are named here once.
  function withFigures(page, templates) {
    var figures = {};
    var scheme = window.gatewatch.scheme();
    var named = function (one, kind) { return isPart(one) && one.props.id && one.props.id.type === kind; };
    var gather = function (one) {
      if (Array.isArray(one)) one.forEach(gather);
      else if (named(one, "figure")) figures[one.props.id.name] = one.props.data;
      else if (isPart(one)) gather(one.props.children);
    };
    var put = function (one) {
      if (Array.isArray(one)) return one.map(put);
      if (!isPart(one)) return one;
      var more = {}, figure = named(one, "chart") && figures[one.props.id.name];
      if (figure) {
        more.figure = Object.assign({}, figure, {
          layout: Object.assign({}, figure.layout, { template: templates[scheme] }),
        });
        window.gatewatch.drawn[one.props.id.name] = scheme;
      } else if (one.props.children && typeof one.props.children === "object") {
        more.children = put(one.props.children);
      } else {
        return one;
      }
      return Object.assign({}, one, { props: Object.assign({}, one.props, more) });
    };
    gather(page);
    return Object.keys(figures).length ? put(page) : page;
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.gatewatch = Object.assign(window.dash_clientside.gatewatch || {}, {
    // The page of an address, as its layout: a skeleton, whose callback then asks for its content. Of the page that
    // stands there only the content changes: a skeleton would blink, and lose what an error should leave.
    route: function (pathname, places) {
      var path = (pathname || "/").replace(/(.)\/+$/, "$1");
      var found = places.find(function (one) {
        return one.more ? path.length > one.path.length && path.indexOf(one.path) === 0 : path === one.path;
      }) || places[places.length - 1];
      document.title = found.title;
      if (found.title === shown) return none();
      shown = found.title;
      return found.layout;
    },
    draw: function (drawn, id, templates) {
      if (!drawn) return none();
      window.gatewatch.drawn = {};
      var before = last[id], sets = [];
      last[id] = drawn;
      var stands = !window.gatewatch.whole && !document.querySelector("#" + id + " > .skeleton");
      window.gatewatch.whole = false;
      if (!stands || !before || before.address !== drawn.address || !compared(before.page, drawn.page, sets)) {
        return withFigures(drawn.page, templates);
      }
      sets.forEach(function (one) { window.dash_clientside.set_props(one[0], one[1]); });
      return none();
    },
  });
})();
