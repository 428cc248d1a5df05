// How a page gets onto the screen. A page that is drawn anew at the same address is laid over the one that stands there:
// only properties that changed are set, so that scroll, focus, open menus and what was typed stay as they are. So is a
// table of it that another order, filter or group was asked of (dashboard/tables.py), and the bar above (dashboard/bar.py).
// Who comes back to an address sees at once what stood there a moment ago; the answer is laid over it when it comes.
(function () {
  "use strict";
  var none = function () { return window.dash_clientside.no_update; };
  var last = {}, shown = null, turns = 0, arrived = 0, coming = null, looks = {};
  var KEPT = 20, KEPT_MS = 180000;
  var kept = new Map(); // address -> { page, address, at }, the longest unseen first
  var same = function (a, b) { return JSON.stringify(a) === JSON.stringify(b); };
  var placed = function (pathname, places) {
    var path = (pathname || "/").replace(/(.)\/+$/, "$1");
    return places.find(function (one) {
      return one.more ? path.length > one.path.length && path.indexOf(one.path) === 0 : path === one.path;
    }) || places[places.length - 1];
  };
  // What a page asks of the server; the turn makes it another one when it asks for the same once more.
  var wish = function (pathname, search) {
    turns += 1;
    return { pathname: pathname || "/", search: search || "", turn: turns };
  };
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

  function keep(one) {
    if (!one) return;
    kept.delete(one.address);
    kept.set(one.address, { page: one.page, address: one.address, at: Date.now() });
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  // Whoever changes something wants to see it changed.
  function forget() { kept.clear(); }
  // The page that stood at an address not long ago is to come before the answer, which will be laid over it.
  function remember(name, asked) {
    var found = kept.get(asked.pathname + asked.search);
    var fresh = found && Date.now() - found.at < KEPT_MS;
    coming = fresh ? { id: name + "-content", turn: asked.turn, page: found.page, address: found.address } : null;
    return asked;
  }
  // Once the server is at work: to draw it first would keep the question waiting. request: of any question.
  function asking(request) {
    var asked = String((request || {}).body || "");
    if (!coming || asked.indexOf(coming.id.replace(/content$/, "drawn.data")) < 0) return;
    window.setTimeout(show, 0, coming);
    coming = null;
  }
  function show(one) {
    if (one.turn !== turns || one.turn === arrived) return;
    window.gatewatch.drawn = {};
    last[one.id] = { page: one.page, address: one.address, old: true };
    window.dash_clientside.set_props("standing", { data: one.address });
    window.dash_clientside.set_props(one.id, { children: withFigures(one.page, looks) });
  }

  function set(sets) { sets.forEach(function (one) { window.dash_clientside.set_props(one[0], one[1]); }); }
  // The component of this id in a page.
  function sought(node, id) {
    if (Array.isArray(node)) return node.reduce(function (found, one) { return found || sought(one, id); }, null);
    if (!isPart(node)) return null;
    return node.props.id === id ? node : sought(node.props.children, id);
  }
  // The page with `part` in the place of the component of its id; what is not on the way to it is shared.
  function exchanged(node, part) {
    if (Array.isArray(node)) return node.map(function (one) { return exchanged(one, part); });
    if (!isPart(node)) return node;
    if (node.props.id === part.props.id) return part;
    if (!sought(node.props.children, part.props.id)) return node;
    return Object.assign({}, node, { props: Object.assign({}, node.props, { children: exchanged(node.props.children, part) }) });
  }
  // An address without what it asks of tables.
  function besides(address) {
    var parts = address.split("?"), query = new URLSearchParams(parts[1] || "");
    query.delete("t");
    query.sort();
    return parts[0] + "?" + query.toString();
  }
  function tables(before, drawn) {
    if (!before || besides(before.address) !== besides(drawn.address)) return null;
    var page = before.page;
    var all = Object.keys(drawn.tables).every(function (name) {
      var part = drawn.tables[name], there = sought(page, part.props.id), sets = [];
      if (!there) return false;
      if (compared(there, part, sets)) set(sets);
      else window.dash_clientside.set_props(part.props.id, { children: part.props.children });
      page = exchanged(page, part);
      return true;
    });
    return all ? { page: page, address: drawn.address } : null;
  }
  // What a person has open would close with the page around it: a page that consists of other parts waits for its turn.
  function busy(id) {
    var page = document.getElementById(id), at = document.activeElement;
    return !!page && (!!page.querySelector("details.drop[open], details.pop[open], [aria-expanded='true'][aria-haspopup='listbox']") ||
      page.contains(at) && at.matches("input, textarea, select") && !!at.closest("form"));
  }

  window.gatewatch = Object.assign(window.gatewatch || {}, { forget: forget, asking: asking });
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.gatewatch = Object.assign(window.dash_clientside.gatewatch || {}, {
    // The page of an address, as its layout: a skeleton, whose callback then asks for its content. Of the page that
    // stands there only the content changes: a skeleton would blink, and lose what an error should leave.
    route: function (pathname, search, places) {
      var found = placed(pathname, places);
      document.title = found.title;
      if (found.title === shown) return none();
      shown = found.title;
      if (!found.name) return found.layout;
      var children = found.layout.props.children, asks = children[0];
      var asking = Object.assign({}, asks, { props: Object.assign({}, asks.props, { data: remember(found.name, wish(pathname, search)) }) });
      var props = Object.assign({}, found.layout.props, { children: [asking].concat(children.slice(1)) });
      return Object.assign({}, found.layout, { props: props });
    },
    // A page that is left does not ask for the address of the one that comes.
    asked: function (pathname, search) {
      var places = arguments[arguments.length - 2], id = arguments[arguments.length - 1];
      var name = placed(pathname, places).name, stands = last[name + "-content"];
      if (name + "-asked" !== id) return none();
      var asked = wish(pathname, search);
      // Where only a table is asked for otherwise, that table comes alone.
      return stands && besides(stands.address) !== besides(asked.pathname + asked.search) ? remember(name, asked) : asked;
    },
    draw: function (drawn, id, templates) {
      if (!drawn) return none();
      window.gatewatch.drawn = {};
      looks = templates;
      arrived = turns;
      var before = last[id], sets = [], whole = window.gatewatch.whole;
      window.gatewatch.whole = false;
      if (drawn.tables) {
        last[id] = tables(before, drawn);
        // Something else came between: the page is drawn as a whole.
        if (last[id]) { keep(last[id]); window.dash_clientside.set_props("standing", { data: drawn.address }); }
        else { last[id] = before; window.gatewatch.again(); }
        return none();
      }
      var stands = !whole && !document.querySelector("#" + id + " > .skeleton");
      var again = stands && !!before && before.address === drawn.address;
      keep(drawn);
      if (again && compared(before.page, drawn.page, sets)) {
        last[id] = drawn;
        set(sets);
        return none();
      }
      if (again && !before.old && busy(id)) return none(); // what is old must not stay
      last[id] = drawn;
      window.gatewatch.rest();
      window.dash_clientside.set_props("standing", { data: drawn.address });
      return withFigures(drawn.page, templates);
    },
    // The parts of the bar, each laid over what stands in its place.
    barred: function (drawn) {
      Object.keys(drawn || {}).forEach(function (name) {
        var before = (last["#bar"] || {})[name], sets = [];
        if (before && same(before, drawn[name])) return;
        if (before && compared(before, drawn[name], sets)) set(sets);
        else window.dash_clientside.set_props(name, { children: drawn[name] });
      });
      last["#bar"] = drawn || last["#bar"];
    },
  });
})();
