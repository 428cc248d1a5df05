// The little that only the browser can do: the address, the theme of charts, keys, and cells of grids.
(function () {
  "use strict";
  var DEFAULTS = { range: "24h", labels: "on" };
  var root = document.documentElement;
  var scheme = function () { return root.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light"; };
  // Mantine's own property tells the scheme of the turn before; the attribute is what the page looks like.
  new MutationObserver(function () {
    if (window.dash_clientside.set_props) window.dash_clientside.set_props("scheme", { data: scheme() });
  }).observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });

  var none = function () { return window.dash_clientside.no_update; };

  function go(href) {
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    var name = href.split("#")[1];
    if (!name) { window.scrollTo(0, 0); return; }
    // A part of a page that may not stand there yet.
    (function seek(left) {
      var there = document.querySelector('#main [data-place="' + CSS.escape(name) + '"], #main #' + CSS.escape(name));
      if (there) there.scrollIntoView({ block: "start" });
      else if (left) window.setTimeout(function () { seek(left - 1); }, 100);
    })(50);
  }

  // Writes keys of the address at once; null takes one away. As every change of the address, the back button undoes it.
  function change(keys) {
    var query = new URLSearchParams(window.location.search);
    var before = query.toString();
    Object.keys(keys).forEach(function (key) {
      query.delete(key);
      [].concat(keys[key] === null ? [] : keys[key]).forEach(function (value) { query.append(key, value); });
    });
    if (query.toString() === before) return;
    if (!("cursor" in keys)) query.delete("cursor");
    var text = query.toString();
    window.history.pushState({}, "", window.location.pathname + (text ? "?" + text : ""));
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  }
  // To another page, with the time and scope of this one.
  function leave(path, keys) {
    var query = new URLSearchParams(window.location.search);
    var kept = new URLSearchParams();
    ["range", "from", "to", "cmp", "refresh", "api", "stage", "account", "region", "tag", "tz", "labels", "notes"].forEach(function (key) {
      if (query.get(key)) kept.set(key, query.get(key));
    });
    Object.keys(keys).forEach(function (key) { kept.set(key, keys[key]); });
    go(path + "?" + kept.toString());
  }
  window.gatewatch = Object.assign(window.gatewatch || {}, { change: change, leave: leave, go: go, scheme: scheme });

  // Menus are <details class="drop">: one is open at a time; a choice, Escape or a click elsewhere closes it.
  function closeMenus(but) {
    document.querySelectorAll("details.drop[open]").forEach(function (menu) {
      if (menu === but) return;
      var inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    });
  }
  document.addEventListener("toggle", function (event) {
    var menu = event.target;
    if (!menu.matches || !menu.matches("details.drop") || !menu.open) return;
    closeMenus(menu);
    var first = menu.querySelector(".drop-panel input, .drop-panel [aria-pressed='true'], .drop-panel button");
    if (first) first.focus();
  }, true);
  document.addEventListener("click", function (event) {
    var target = event.target;
    var from = target.closest && target.closest("[data-set]");
    if (from && !from.disabled) {
      var keys = JSON.parse(from.dataset.set);
      // The clock of this browser has a name, so that a link shows the same times elsewhere.
      if (keys.tz === "@local") keys.tz = Intl.DateTimeFormat().resolvedOptions().timeZone || null;
      if (keys.tz === "UTC") keys.tz = null;
      change(keys);
    }
    var press = target.closest && target.closest("[data-press]");
    if (press) document.getElementById(press.dataset.press).click();
    // By the way that the click took: a calendar has drawn itself anew by now, and left its own menu.
    var inside = event.composedPath().find(function (one) { return one.matches && one.matches("details.drop"); });
    closeMenus(from ? null : inside);
  });
  // Arrows walk through the choices of a menu.
  document.addEventListener("keydown", function (event) {
    var menu = event.target.closest && event.target.closest("details.drop[open]");
    if (!menu) return;
    if (event.key === "Escape") { closeMenus(null); return; }
    var step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    var all = Array.from(menu.querySelectorAll(".drop-panel input, .drop-panel button"));
    var next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    if (next) next.focus();
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    gatewatch: Object.assign((window.dash_clientside || {}).gatewatch || {}, {
      // The only writer of the address: every control with an id {type: "url"} stands for one key of the query.
      // Only what a person changed is written: a control whose value is the rendered one says nothing new.
      write_address: function (values, ids, rendered, search) {
        var before = new URLSearchParams(search || "");
        var query = new URLSearchParams(search || "");
        var was = Object.assign.apply(null, [{}].concat(rendered));
        ids.forEach(function (id, place) {
          var value = values[place];
          if (!(id.key in was) || (value || "") === (was[id.key] || "")) return;
          if (value && value !== DEFAULTS[id.key]) query.set(id.key, value);
          else query.delete(id.key);
        });
        if (query.toString() === before.toString()) return none();
        // A quick range takes a chosen time away.
        if (query.get("range") !== before.get("range")) { query.delete("from"); query.delete("to"); }
        // A stage belongs to its API.
        if (query.get("api") !== before.get("api") && query.get("stage") === before.get("stage")) query.delete("stage");
        query.delete("cursor"); // another question begins at its first page
        var text = query.toString();
        return text ? "?" + text : "";
      },
      // Pages keep time and scope; filters are theirs alone.
      nav_links: function (search, hrefs, keys) {
        var query = new URLSearchParams(search || "");
        var kept = new URLSearchParams();
        keys.forEach(function (key) { if (query.get(key)) kept.set(key, query.get(key)); });
        var text = kept.toString() ? "?" + kept.toString() : "";
        return hrefs.map(function (href) { return href.split("?")[0] + text; });
      },
      set_keys: function (asked) {
        if (!asked) return [none(), none()];
        closeMenus(null);
        change(asked.keys);
        return ["", ""];
      },
      would: function (place, sentences) { return (sentences || [])[place || 0] || none(); },
      // How often the page is drawn anew; a frozen time is not.
      pace: function (search) {
        var query = new URLSearchParams(search || "");
        var every = { off: 0, "10s": 10, "5m": 300 }[query.get("refresh")];
        if (every === undefined) every = 60;
        var frozen = /^\d/.test(query.get("to") || "");
        return [(every || 60) * 1000, every === 0 || frozen];
      },
      navbar: function (opened, pathname, navbar) {
        var by = window.dash_clientside.callback_context.triggered[0];
        var open = !!by && by.prop_id === "burger.opened" && opened;
        return [Object.assign({}, navbar, { collapsed: { mobile: !open } }), open];
      },
      // A mark of a chart that says where it leads: findings or changes, and our own pages only.
      clicked: function () {
        var by = window.dash_clientside.callback_context.triggered[0];
        var points = (by && by.value && by.value.points) || [];
        points.some(function (point) {
          var href = point.customdata;
          if (typeof href !== "string" || !/^\/(findings|changes)(\?|$)/.test(href)) return false;
          go(href);
          return true;
        });
      },
      themed: function (figure, turned, templates) {
        if (!figure) return none();
        var name = window.dash_clientside.callback_context.outputs_list.id.name;
        var stands = (window.gatewatch.drawn || {})[name];
        if (stands) delete window.gatewatch.drawn[name];
        if (stands === scheme()) return none();  // it came with its figure: draw.js
        var layout = Object.assign({}, figure.layout, { template: templates[scheme()] });
        return Object.assign({}, figure, { layout: layout });
      },
    }),
  });

  // Grids. Values are set as text by React; nothing of a log becomes markup.
  var RANK = ["info", "low", "medium", "high", "critical"];
  var make = function () { return window.React.createElement.apply(null, arguments); };
  var word = function (value) { return value.charAt(0).toUpperCase() + value.slice(1); };

  window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {
    // Tab leaves a grid, as arrows walk through its cells: it would lead through hundreds of them.
    leaveGrid: function () { return false; },
    bySeverity: function (a, b) { return RANK.indexOf(a) - RANK.indexOf(b); },
    gatewatchGridTheme: function (theme) {
      var shared = { fontFamily: "inherit", fontSize: 13, headerFontWeight: 600, wrapperBorder: false, spacing: 6 };
      var light = { backgroundColor: "#ffffff", foregroundColor: "#1f2328", headerBackgroundColor: "#f6f8fa",
        borderColor: "#e3e7ec", rowHoverColor: "#f0f6ff", accentColor: "#0b65c2", browserColorScheme: "light" };
      var dark = { backgroundColor: "#161b22", foregroundColor: "#d7dde3", headerBackgroundColor: "#1c232c",
        borderColor: "#30363d", rowHoverColor: "#1d2733", accentColor: "#6cb6ff", browserColorScheme: "dark" };
      return theme
        .withParams(Object.assign({}, shared, light), "light")
        .withParams(Object.assign({}, shared, dark), "dark");
    },
  });

  window.dashAgGridComponentFunctions = Object.assign({}, window.dashAgGridComponentFunctions, {
    FindingLink: function (props) {
      var href = props.data.href;
      return make("a", {
        href: href,
        className: "finding-link",
        onClick: function (event) {
          if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          event.stopPropagation();
          go(href);
        },
      }, props.value);
    },
    Severity: function (props) {
      return make("span", { className: "severity severity-" + props.value },
        make("span", { className: "icon icon-" + props.value, "aria-hidden": "true" }), word(props.value));
    },
    State: function (props) {
      return make("span", { className: "state state-" + props.value }, word(props.value));
    },
  });

  // A click anywhere on a row, or Enter on one of its cells, opens the finding.
  function openRow(target) {
    var row = target.closest && target.closest(".grid-findings .ag-row");
    var link = row && row.querySelector("a.finding-link");
    if (link && !target.closest("a")) go(link.getAttribute("href"));
  }
  document.addEventListener("click", function (event) {
    if (!String(window.getSelection())) openRow(event.target);
  });

  // Conditions: Enter adds what was typed, `field:value` and `-field:value` in the words of the grammar.
  function added(text) {
    if (text.charAt(0) === "?") {
      var keys = {};
      new URLSearchParams(text).forEach(function (value, key) { keys[key] = (keys[key] || []).concat(value); });
      return keys;
    }
    var terms = text.split(/\s+and\s+|\n/i).map(function (term) {
      var short = /^(-?)([a-z_]+):(\S.*)$/.exec(term.trim());
      return short ? short[2] + (short[1] ? " != " : " = ") + short[3] : term.trim();
    }).filter(Boolean);
    var before = new URLSearchParams(window.location.search).getAll("f");
    return { f: before.concat(terms.filter(function (term) { return before.indexOf(term) < 0; })) };
  }
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || !event.target.matches || !event.target.matches(".term-input input")) return;
    event.preventDefault();
    var text = event.target.value.trim();
    if (text) change(added(text));
  });

  // A page that is drawn anew takes the focused element away: the one that stands for it gets the focus back.
  var focused = null;
  document.addEventListener("focusin", function (event) {
    var one = event.target;
    focused = one.closest && one.closest("#main") && (one.getAttribute("href") || one.dataset.again) ? one : null;
  });
  new MutationObserver(function () {
    if (!focused || focused.isConnected || document.activeElement !== document.body) return;
    var href = focused.getAttribute("href"), name = focused.dataset.again;
    var again = Array.from(document.querySelectorAll("#main a[href], #main [data-again]")).find(function (a) {
      return href ? a.getAttribute("href") === href : a.dataset.again === name;
    });
    if (again) again.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });

  // Drawing across a line with the mouse shows that part of its time.
  var brush = null;
  document.addEventListener("pointerdown", function (event) {
    var frame = event.target.closest && event.target.closest(".brush[data-from]");
    if (!frame || event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    var area = document.createElement("div");
    area.className = "brush-area";
    frame.appendChild(area);
    brush = { frame: frame, area: area, box: frame.getBoundingClientRect(), from: event.clientX, to: event.clientX };
  });
  document.addEventListener("pointermove", function (event) {
    if (!brush) return;
    var box = brush.box;
    brush.to = Math.min(Math.max(event.clientX, box.left), box.right);
    brush.area.style.left = Math.min(brush.from, brush.to) - box.left + "px";
    brush.area.style.width = Math.abs(brush.to - brush.from) + "px";
  });
  document.addEventListener("pointerup", function () {
    if (!brush) return;
    var drawn = brush;
    brush = null;
    drawn.area.remove();
    if (Math.abs(drawn.to - drawn.from) < 4) return;
    var since = Date.parse(drawn.frame.dataset.from), until = Date.parse(drawn.frame.dataset.to);
    var at = function (x) {
      var ms = since + (until - since) * (x - drawn.box.left) / drawn.box.width;
      return new Date(Math.round(ms / 60000) * 60000).toISOString().slice(0, 16) + "Z";
    };
    var first = at(Math.min(drawn.from, drawn.to)), last = at(Math.max(drawn.from, drawn.to));
    if (first !== last) change({ range: null, from: first, to: last });
  });

  // Keys. A control says with data-key which one presses it; those of the page come first.
  function seen(element) { return element.getClientRects().length > 0 && !element.disabled; }
  function pressed(key) {
    return ["#main", "body"].some(function (place) {
      var found = Array.from(document.querySelectorAll(place + " [data-key]")).find(function (one) {
        return one.dataset.key === key && seen(one);
      });
      if (!found) return false;
      if (found.matches("input, textarea")) found.focus();
      else found.click();
      return true;
    });
  }
  function chord(first, key) {
    if (first !== "g") return pressed(first + " " + key);
    var nav = Array.from(document.querySelectorAll("a.nav[data-go]")).find(function (a) { return a.dataset.go === key; });
    if (nav) nav.click();
    return !!nav;
  }

  // j and k walk through the rows of the page; a row is current when something in it has the focus.
  var ROWS = "#main .ag-center-cols-container .ag-row, #main .short-list > li, #main .cards > li, #main tbody > tr, #main [data-row]";
  function rowsNow() {
    return Array.from(document.querySelectorAll(ROWS)).filter(function (row) { return seen(row) && row.querySelector("a[href]"); });
  }
  // A grid that draws its rows once more loses the focus for a moment, but not the mark of the row that had it.
  function spot() {
    var here = document.activeElement;
    return here === document.body ? document.querySelector(".ag-cell-focus") || here : here;
  }
  function walk(step) {
    var rows = rowsNow(), at = spot();
    if (!rows.length) return false;
    if (rows[0].matches(".ag-row")) rows.sort(function (a, b) { return a.getAttribute("row-index") - b.getAttribute("row-index"); });
    var here = rows.findIndex(function (row) { return row.contains(at); });
    var next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + step, 0), rows.length - 1);
    var link = rows[next].querySelector("a[href]");
    link.focus();
    link.scrollIntoView({ block: "nearest" });
    return true;
  }
  function select() {
    var here = spot();
    var row = rowsNow().find(function (one) { return one.contains(here); });
    var box = row && row.querySelector("input[type=checkbox]");
    if (box) box.click();
    return !!box;
  }

  var pending = null;
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter") { openRow(event.target); return; }
    if (event.target.closest && event.target.closest("input, textarea, select, [contenteditable]")) return;
    var first = pending;
    pending = null;
    if (first && chord(first, event.key)) { event.preventDefault(); return; }
    if (event.key === "g" || event.key === "t") { pending = event.key; return; }
    if (event.key === "/") {
      var search = document.querySelector(".filter-text input");
      if (search) { event.preventDefault(); search.focus(); return; }
    }
    if (event.key === "d") document.getElementById("theme").click();
    else if (pressed(event.key)) event.preventDefault();
    else if ((event.key === "j" || event.key === "k") && walk(event.key === "j" ? 1 : -1)) event.preventDefault();
    else if (event.key === "x" && select()) event.preventDefault();
  });
})();
