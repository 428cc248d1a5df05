// Tables: their filter, order, groups and file. A table that is wholly on the page is put in order here; of one that has
// more rows than the page holds, the address says what is wanted, and the server answers from all rows (dashboard/sheets.py).
(function () {
  "use strict";
  var own = window.gatewatch = window.gatewatch || {};
  var make = function () { return window.React.createElement.apply(null, arguments); };
  var FEW = 8; // so many rows need no tools

  // ---- what the address asks of a table
  function asked(name, changes) {
    var all = new URLSearchParams(window.location.search).getAll("t"), mine = {};
    var rest = all.filter(function (text) {
      if (text.indexOf(name + ".") !== 0) return true;
      var colon = text.indexOf(":");
      mine[text.slice(name.length + 1, colon)] = text.slice(colon + 1);
      return false;
    });
    if (!("page" in changes)) delete mine.page;
    Object.assign(mine, changes);
    Object.keys(mine).forEach(function (key) { if (mine[key]) rest.push(name + "." + key + ":" + mine[key]); });
    own.change({ t: rest });
  }
  // A first click sorts, numbers the greatest first; a second turns it around; a third is as it was.
  function next(order, part, down) {
    var first = (down ? "-" : "") + part, second = (down ? "" : "-") + part;
    return order === first ? second : order === second ? "" : first;
  }
  function direction(order, part) {
    return order === part ? "ascending" : order === "-" + part ? "descending" : "none";
  }

  // ---- the tools above a table
  function choice(name, label, value, options, chosen) {
    return make("label", { className: "sheet-choice", key: label }, make("span", null, label),
      make("select", { value: value, "data-again": name + label, onChange: function (event) { chosen(event.target.value); } },
        make("option", { value: "" }, label === "Sort" ? "as it comes" : "none"),
        options.map(function (one) { return make("option", { key: one[0], value: one[0] }, one[1]); })));
  }
  function turned(order, chosen) {
    if (!order) return null;
    var down = order.charAt(0) === "-";
    return make("button", {
      type: "button", className: "plain-button", key: "turn", title: down ? "Descending: turn around" : "Ascending: turn around",
      "aria-label": down ? "Sorted descending, turn around" : "Sorted ascending, turn around",
      onClick: function () { chosen(down ? order.slice(1) : "-" + order); },
    }, down ? "↓" : "↑");
  }
  function tools(given) {
    var order = given.sort || "", part = order.replace(/^-/, "");
    var finding = {
      type: "search", defaultValue: given.find, key: "f" + (given.local ? "" : given.find), className: "sheet-find",
      "data-again": given.name + "find", "aria-label": "Filter rows of this table", maxLength: 300,
      placeholder: given.local ? "Filter rows" : "Filter rows: text, or column > 10", spellCheck: false,
      onChange: function (event) { if (given.local) given.onFind(event.target.value); },
      onKeyDown: function (event) { if (event.key === "Enter" && !given.local) given.onFind(event.target.value.trim()); },
      onBlur: function (event) {
        if (!given.local && event.target.value.trim() !== given.find) given.onFind(event.target.value.trim());
      },
    };
    return make("div", { className: "sheet-bar", role: "group", "aria-label": "Order and filter of this table", "data-grid": given.grid },
      make("input", finding),
      choice(given.name, "Sort", part, given.parts, function (value) { given.onSort(value); }), turned(order, given.onSort),
      given.groups.length ? choice(given.name, "Group", given.by, given.groups, given.onBy) : null,
      given.csv ? make("button", { type: "button", className: "plain-button", onClick: given.csv, key: "csv" }, "CSV") : null,
      make("span", { className: "small sheet-said", role: "status" }, given.said),
      given.pages > 1 ? make("span", { className: "sheet-pages", key: "pages" },
        page(given, given.page - 1, "Previous"), page(given, given.page + 1, "Next")) : null);
  }
  function page(given, to, said) {
    var there = to >= 0 && to < given.pages;
    return make("button", { type: "button", className: "plain-button", disabled: !there, "data-again": given.name + said,
      onClick: function () { given.onPage(to); } }, said);
  }
  // Of a table whose rows the server orders; `text` is what dashboard/sheets.py wrote.
  function Bar(given) {
    var state = JSON.parse(given.text);
    return tools(Object.assign({}, state, {
      grid: JSON.stringify(state.grid),
      key: state.name,
      onFind: function (text) { asked(state.name, { find: text }); },
      onSort: function (order) { asked(state.name, { sort: order }); },
      onBy: function (part) { asked(state.name, { by: part, sort: "" }); },
      onPage: function (to) { asked(state.name, { page: to ? String(to) : "" }); },
    }));
  }

  // ---- tables that are wholly on the page
  function text(node) {
    if (!Array.isArray(node)) return node === null || node === undefined ? "" : String(node);
    return node.slice(2).map(text).join(node[0] === "div" || node[0] === "li" ? " " : "");
  }
  function inside(node, tag) {
    return node.slice(2).filter(function (one) { return Array.isArray(one) && one[0] === tag; });
  }
  var UNITS = { "%": 1, ms: 1, s: 1e3, min: 6e4, h: 36e5, d: 864e5, M: 1e6, G: 1e9, k: 1e3, KiB: 1024, MiB: 1048576, GiB: 1073741824 };
  var NUMBER = /^[≈<>$+−-]*\s*([\d,]+(?:\.\d+)?)\s*(%|ms|s|min|h|d|M|G|k|KiB|MiB|GiB)?(?:\/s)?(?![\w-])/;
  var RANKS = { info: 1, low: 2, medium: 3, high: 4, critical: 5 };
  function size(said) {
    var rank = RANKS[said.trim().toLowerCase()];
    if (rank) return rank;
    if (/^\s*\d{4}-\d\d-\d\d/.test(said)) return null;
    var found = NUMBER.exec(said.trim());
    if (!found) return null;
    var value = Number(found[1].replace(/,/g, "")) * (UNITS[found[2]] || 1);
    return /^[−-]/.test(said.trim()) ? -value : value;
  }
  function absent(said) { return !said.trim() || said.trim() === "–"; }
  function inOrder(rows, column, down) {
    var numbers = rows.every(function (row) { return absent(row.texts[column] || "") || size(row.texts[column]) !== null; });
    var sign = down ? -1 : 1;
    return rows.slice().sort(function (a, b) {
      var left = a.texts[column] || "", right = b.texts[column] || "";
      if (absent(left) || absent(right)) return absent(left) - absent(right) || a.place - b.place;
      var by = numbers ? size(left) - size(right) : left.localeCompare(right, "en", { numeric: true });
      return sign * by || a.place - b.place;
    });
  }
  function cell(said) {
    said = said.trim();
    if (/^[=+\-@＝＋－＠]/.test(said) && isNaN(Number(said))) said = "'" + said;
    return /[",\n\r]/.test(said) ? '"' + said.replace(/"/g, '""') + '"' : said;
  }
  function save(name, lines) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = "gatewatch-" + name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60) + ".csv";
    link.click();
    window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }

  function Table(given) {
    var node = given.node, made = given.made, properties = node[1];
    var React = window.React;
    var found = React.useState({ sort: "", find: "", by: "", all: false }), state = found[0];
    function set(changes) { found[1](Object.assign({}, state, changes)); }
    var head = inside(node, "thead")[0], body = inside(node, "tbody")[0];
    var caption = inside(node, "caption")[0];
    if (!head || !body || /matrix|before-after|served/.test(properties.className || "")) return made(node, true);
    var server = properties["data-table"], first = Number(properties["data-first"]) || 0;
    var heads = inside(inside(head, "tr")[0], "th");
    var rows = inside(body, "tr").map(function (row, place) {
      return { node: row, place: place, texts: inside(row, "td").map(text) };
    });
    var order = server ? properties["data-order"] || "" : state.sort;
    function sorted(key, down) {
      if (server) asked(server, { sort: next(order, key, down) });
      else set({ sort: next(order, key, down) });
    }
    var shown = rows;
    if (!server) {
      var wanted = state.find.trim().toLowerCase();
      if (wanted) shown = shown.filter(function (row) { return row.texts.join(" ").toLowerCase().indexOf(wanted) >= 0; });
      if (order) shown = inOrder(shown, Number(order.replace(/^-/, "")), order.charAt(0) === "-");
    }
    var title = caption ? text(caption) : "table";
    var fitting = shown.length, rest = 0;
    if (first && !state.all && !state.find && !state.by && shown.length > first) {
      rest = shown.length - first;
      shown = shown.slice(0, first);
    }
    var top = heads.map(function (th, place) {
      var said = text(th), key = server ? th[1]["data-part"] || "" : said ? String(place) : "";
      var numeric = /number/.test(th[1].className || "");
      var own = Object.assign({}, th[1], { key: place });
      if (!key || rows.length < 2 && !server) return make("th", own, said);
      own["aria-sort"] = direction(order, key);
      return make("th", own, make("button", {
        type: "button", className: "sort-head", "data-again": (server || title) + said,
        title: "Sort by " + said, onClick: function () { sorted(key, numeric); },
      }, said, make("span", { className: "sort-mark", "aria-hidden": "true" }, order === key ? "↑" : order === "-" + key ? "↓" : "")));
    });
    function csv() {
      var lines = [heads.map(text).map(cell).join(",")];
      var all = order ? inOrder(rows, Number(order.replace(/^-/, "")), order.charAt(0) === "-") : rows;
      var some = state.find.trim().toLowerCase();
      all.forEach(function (row) {
        if (!some || row.texts.join(" ").toLowerCase().indexOf(some) >= 0) lines.push(row.texts.map(cell).join(","));
      });
      save(title, lines);
    }
    var columns = heads.map(function (th, place) { return [String(place), text(th)]; }).filter(function (one) { return one[1]; });
    var bar = !server && rows.length > FEW ? make(React.Fragment, { key: "bar" }, tools({
      local: true, name: title, find: state.find, sort: order, by: state.by, parts: columns, pages: 1, page: 0, csv: csv,
      groups: columns.filter(function (one) {
        var kinds = new Set(rows.map(function (row) { return row.texts[Number(one[0])]; }));
        return kinds.size > 1 && kinds.size <= rows.length / 2;
      }),
      said: fitting < rows.length ? fitting + " of " + rows.length : "",
      onFind: function (said) { set({ find: said }); },
      onSort: function (key) { set({ sort: key }); },
      onBy: function (key) { set({ by: key }); },
    })) : null;
    if (!server && state.by) return make(React.Fragment, null, bar, byValue(shown, Number(state.by), columns, set));
    var table = make("table", Object.assign({}, properties, { key: "table" }),
      caption ? made(caption) : null,
      make("thead", null, make("tr", null, top)),
      make("tbody", null, shown.map(function (row) { return make(React.Fragment, { key: row.place }, made(row.node)); })));
    var more = rest ? make("button", { type: "button", className: "plain-button more-rows", key: "more", "aria-expanded": "false",
      onClick: function () { set({ all: true }); } }, rest + " more") : first && state.all ? make("button", {
      type: "button", className: "plain-button more-rows", key: "less", "aria-expanded": "true",
      onClick: function () { set({ all: false }); } }, "Fewer") : null;
    return make(React.Fragment, null, bar, table, more);
  }
  function byValue(rows, column, columns, set) {
    var counts = new Map();
    rows.forEach(function (row) { var said = row.texts[column]; counts.set(said, (counts.get(said) || 0) + 1); });
    var name = columns.find(function (one) { return one[0] === String(column); })[1];
    var lines = Array.from(counts).sort(function (a, b) { return b[1] - a[1]; });
    return make("table", { className: "table", key: "groups" },
      make("thead", null, make("tr", null, make("th", { scope: "col" }, name), make("th", { scope: "col", className: "number" }, "Rows"))),
      make("tbody", null, lines.map(function (one) {
        return make("tr", { key: one[0] },
          make("td", null, make("button", { type: "button", className: "link-button", onClick: function () { set({ find: one[0], by: "" }); } },
            one[0].trim() || "not known")),
          make("td", { className: "number" }, String(one[1])));
      })));
  }

  // ---- heads of a grid that holds a part of its rows
  function headed(event) {
    var head = event.target.closest && event.target.closest(".grid-server .ag-header-cell");
    if (!head || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    if (event.target.closest(".ag-header-cell-resize")) return;
    var tools = head.closest(".sheet").querySelector(".sheet-bar");
    var state = tools && JSON.parse(tools.dataset.grid || "{}");
    var part = state && state.columns && state.columns[head.getAttribute("col-id")];
    event.preventDefault();
    event.stopPropagation();
    if (part) asked(state.name, { sort: next(state.order, part, head.classList.contains("ag-right-aligned-header")) });
  }
  document.addEventListener("click", headed, true);
  document.addEventListener("keydown", headed, true);

  own.tables = { Bar: Bar, Table: Table };
  window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, { asItComes: function () { return 0; } });
})();
