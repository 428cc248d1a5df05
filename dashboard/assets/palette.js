// The command palette: pages, APIs and what can be pressed now, filtered by what is typed. All of it is set as text.
(function () {
  "use strict";
  var MOST = 40;
  var shown = [];
  var chosen = 0;

  function byId(name) { return document.getElementById(name); }
  function entriesOf(element) { return element ? JSON.parse(element.dataset.entries || "[]") : []; }
  function seen(element) { return element.getClientRects().length > 0 && !element.disabled; }
  function make(tag, className, text) {
    var made = document.createElement(tag);
    made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  // Everything that there is to choose, in the order in which it is shown.
  function all(text) {
    var pages = entriesOf(byId("palette")).map(function (page) {
      return Object.assign({}, page, { run: function () { press('a.nav[data-go="' + page.key + '"]'); } });
    });
    var actions = Array.from(document.querySelectorAll("#main [data-key], .bar [data-key]")).filter(seen).map(function (one) {
      var label = one.getAttribute("aria-label") || one.title || one.textContent;
      return { label: label, hint: "Action", icon: "palette", key: one.dataset.key, run: function () { one.click(); } };
    });
    actions.push({ label: "Light or dark", hint: "Action", icon: "moon", key: "d", run: function () { byId("theme").click(); } });
    var apis = entriesOf(document.querySelector("#palette-apis [data-entries]")).map(function (api) {
      return { label: api.label, hint: "Only this API", icon: "api", run: function () { window.gatewatch.change(api.set); } };
    });
    var search = text.length < 2 ? [] : [{
      label: "Search findings for “" + text + "”", hint: "Search", icon: "search", always: true,
      run: function () { window.gatewatch.leave("/findings", { q: text }); },
    }];
    return pages.concat(actions, apis, search);
  }

  function press(selector) {
    var found = document.querySelector(selector);
    if (found) found.click();
  }

  // Every word must be in it; what begins with the text comes first.
  function fitting(text) {
    var words = text.toLowerCase().split(/\s+/).filter(Boolean);
    var found = all(text).filter(function (one) {
      var label = (one.label + " " + one.hint).toLowerCase();
      return one.always || words.every(function (word) { return label.indexOf(word) >= 0; });
    });
    var first = function (one) { return words.length && one.label.toLowerCase().indexOf(words[0]) === 0 ? 0 : 1; };
    return found.map(function (one, place) { return [first(one), place, one]; })
      .sort(function (a, b) { return a[0] - b[0] || a[1] - b[1]; })
      .slice(0, MOST).map(function (row) { return row[2]; });
  }

  function draw() {
    var list = byId("palette-results");
    var text = byId("palette-text").value.trim();
    shown = fitting(text);
    chosen = Math.min(chosen, Math.max(shown.length - 1, 0));
    list.replaceChildren();
    shown.forEach(function (one, place) {
      var item = make("div", "palette-item");
      item.id = "palette-item-" + place;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(place === chosen));
      item.appendChild(make("span", "icon icon-" + one.icon));
      item.appendChild(make("span", "label", one.label));
      item.appendChild(make("span", "hint", one.hint));
      if (one.key) item.appendChild(make("kbd", "key", one.hint === "Page" ? "g " + one.key : one.key));
      item.addEventListener("click", function () { run(one); });
      list.appendChild(item);
    });
    if (!shown.length) list.appendChild(make("div", "palette-none", "Nothing is called that."));
    byId("palette-text").setAttribute("aria-activedescendant", shown.length ? "palette-item-" + chosen : "");
    var current = byId("palette-item-" + chosen);
    if (current) current.scrollIntoView({ block: "nearest" });
  }

  function run(one) {
    byId("palette-text").blur(); // else it keeps the focus until the next frame, and swallows the next key
    byId("palette").close();
    one.run();
  }

  function open(name) {
    var dialog = byId(name);
    if (!dialog || dialog.open) return;
    dialog.showModal();
    if (name !== "palette") return;
    var field = byId("palette-text");
    field.value = "";
    chosen = 0;
    draw();
    field.focus();
  }

  document.addEventListener("click", function (event) {
    var target = event.target;
    var opener = target.closest && target.closest("[data-opens]");
    if (opener) open(opener.dataset.opens);
    var closer = target.closest && target.closest("[data-closes]");
    if (closer) byId(closer.dataset.closes).close();
    if (target.matches && target.matches("dialog.dialog")) target.close(); // beside it
  });
  document.addEventListener("input", function (event) {
    if (event.target.id === "palette-text") { chosen = 0; draw(); }
  });
  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open("palette");
      return;
    }
    if (event.target.id !== "palette-text") return;
    var step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      event.preventDefault();
      chosen = (chosen + step + shown.length) % shown.length;
      draw();
    } else if (event.key === "Enter" && shown[chosen]) {
      event.preventDefault();
      run(shown[chosen]);
    }
  });
})();
