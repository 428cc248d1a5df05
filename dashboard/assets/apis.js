// Cells of the grids of APIs, routes and callers: numbers sort as numbers and are written as everywhere else.
(function () {
  "use strict";
  var make = function () { return window.React.createElement.apply(null, arguments); };
  var texts = function (params) { return (params.data && params.data.text) || {}; };

  window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {
    written: function (params) {
      var text = texts(params)[params.colDef.field];
      return text === undefined ? (params.value === null || params.value === undefined ? "" : String(params.value)) : text;
    },
    // What is not known comes last, whichever way the column is sorted.
    unknownLast: function (a, b, nodeA, nodeB, descending) {
      var none = function (value) { return value === null || value === undefined || value === ""; };
      if (none(a) && none(b)) return 0;
      if (none(a)) return descending ? -1 : 1;
      if (none(b)) return descending ? 1 : -1;
      return a < b ? -1 : a > b ? 1 : 0;
    },
  });

  window.dashAgGridComponentFunctions = Object.assign({}, window.dashAgGridComponentFunctions, {
    Line: function (props) {
      if (!props.value) return null;
      return make("img", { src: props.value, alt: props.data.said, title: props.data.said, className: "spark small-spark" });
    },
    // A name that leads on where data.href says so.
    Way: function (props) {
      if (!props.data.href) return make("span", null, props.value);
      return window.dashAgGridComponentFunctions.FindingLink(props);
    },
    Chip: function (props) {
      if (!props.value) return null;
      return make("span", { className: "chip life life-" + String(props.value).replace(/ /g, "-"), title: props.data.why || "" },
        props.value);
    },
    // A number with its way to the rows behind it; data.links: field -> address of ours.
    Linked: function (props) {
      var field = props.colDef.field;
      var text = texts(props)[field];
      var shown = text === undefined ? props.value : text;
      var href = (props.data.links || {})[field];
      var worst = field === "findings" && props.data.worst;
      var inside = worst ? [make("span", { key: "i", className: "icon icon-" + worst, "aria-hidden": "true" }), shown] : shown;
      if (!href) return make("span", { className: "zero" }, inside);
      return make("a", {
        href: href,
        className: worst ? "severity-" + worst : "",
        onClick: function (event) {
          if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          event.stopPropagation();
          window.history.pushState({}, "", href);
          window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
          window.scrollTo(0, 0);
        },
      }, inside);
    },
  });
})();
