// How a page gets onto the screen. A page that is drawn anew at the same address is laid over the one that stands there:
// only properties that changed are set, so that scroll, focus, open menus and what was typed stay as they are.
(function () {
  "use strict";
  var none = function () { return window.dash_clientside.no_update; };
  var last = {};
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

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.gatewatch = Object.assign(window.dash_clientside.gatewatch || {}, {
    draw: function (drawn, id) {
      if (!drawn) return none();
      var before = last[id], sets = [];
      last[id] = drawn;
      var stands = !window.gatewatch.whole && !document.querySelector("#" + id + " > .skeleton");
      window.gatewatch.whole = false;
      if (!stands || !before || before.address !== drawn.address || !compared(before.page, drawn.page, sets)) {
        return drawn.page;
      }
      sets.forEach(function (one) { window.dash_clientside.set_props(one[0], one[1]); });
      return none();
    },
  });
})();
