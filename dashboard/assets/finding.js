// A finding's page: panels below buttons, what an act would do, copying, and the requests with all their fields.
(function () {
  "use strict";
  var own = window.gatewatch = window.gatewatch || {};

  // ---- Panels. One is open at a time; Escape and a click elsewhere close it.
  function panels() { return Array.from(document.querySelectorAll("details.pop[open]")); }
  function leave(panel) {
    panel.open = false;
    panel.querySelector("summary").focus();
  }
  document.addEventListener("toggle", function (event) {
    var panel = event.target;
    if (!panel.matches || !panel.matches("details.pop") || !panel.open) return;
    panels().forEach(function (other) { if (other !== panel) other.open = false; });
    var box = panel.querySelector(".pop-panel");
    box.style.marginLeft = "";
    var over = box.getBoundingClientRect().right - document.documentElement.clientWidth + 8;
    if (over > 0) box.style.marginLeft = -over + "px";
    var first = box.querySelector("select, input:not([type=hidden]), textarea, button, a");
    if (first) first.focus();
    var ahead = panel.querySelector("[data-ahead]");
    if (ahead) look(ahead);
  }, true);
  document.addEventListener("click", function (event) {
    panels().forEach(function (panel) { if (!panel.contains(event.target)) panel.open = false; });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    var open = panels();
    if (open.length) { event.stopPropagation(); leave(open[0]); }
  }, true);

  function ask(path) {
    return window.fetch(path).then(function (answer) {
      return answer.json().then(function (found) {
        if (!answer.ok) throw new Error(found.detail || "gatewatch answers with status " + answer.status);
        return found;
      });
    });
  }
  function many(n, one) { return n + " " + one + (n === 1 ? "" : "s"); }
  function line(text, name) {
    var made = document.createElement("p");
    if (name) made.className = name;
    made.textContent = own.plain(text);
    return made;
  }

  // ---- What a suppression would have hidden, and the newest of it.
  function look(box) {
    var wish = JSON.parse(box.dataset.ahead);
    var query = new URLSearchParams([["state", "all"], ["limit", "5"], ["fields", "title,start,state"]]);
    wish.where.forEach(function (term) { query.append("where", term); });
    box.textContent = "Looking at the last 30 days …";
    own.send("POST", "/api/v1/suppressions/preview", wish).then(function (found) {
      query.set("since", found.since);
      return ask("/api/v1/findings?" + query).then(function (listed) {
        box.textContent = "";
        box.appendChild(line("In the last 30 days it would have hidden " + many(found.findings, "finding") + " (" +
          found.open + " open) of " + many(found.problems, "problem") + "."));
        listed.findings.forEach(function (one) {
          box.appendChild(line(one.start.slice(0, 16).replace("T", " ") + " UTC · " + one.title + " · " + one.state, "would"));
        });
      });
    }).catch(function (error) { box.textContent = own.plain(error.message); });
  }
  own.look = look;

  // ---- What a verdict would change, before it is saved.
  function told(effect) {
    var said = effect.required_after === effect.required_before
      ? "Nothing changes for later findings."
      : effect.required_after === 0
        ? "Later findings of this problem need no more than the detector asks."
        : "From then on this problem is only raised from a score of " + effect.required_after.toFixed(1) + " on" +
          (effect.required_before ? " (now " + effect.required_before.toFixed(1) + ")." : ".");
    if (effect.lost.length) said += " " + effect.lost.length + " of its " + many(effect.episodes, "episode") +
      " of the last 30 days would not have been raised" +
      (effect.right_lost.length ? ", among them " + effect.right_lost.length + " that somebody said were right." : ".");
    if (effect.won.length) said += " " + many(effect.won.length, "episode") + " of the last 30 days would have been raised besides.";
    return said;
  }
  document.addEventListener("change", function (event) {
    if (!event.target.matches("input[name=verdict]")) return;
    var box = event.target.closest("form").querySelector("[data-effect]");
    ask(box.dataset.effect + "?verdict=" + encodeURIComponent(event.target.value)).then(function (effect) {
      box.textContent = told(effect);
    }).catch(function (error) { box.textContent = own.plain(error.message); });
  });

  // ---- A replay with another budget: asked for as a job, watched, and told as what would be new, gone and changed.
  function listed(box, title, found, link) {
    if (!found.length) return;
    box.appendChild(line(title + ": " + found.length));
    var list = document.createElement("ul");
    list.className = "history";
    found.slice(0, 8).forEach(function (one) {
      var item = document.createElement("li"), said = one.start.slice(0, 16).replace("T", " ") + " UTC, " + one.severity + ": " + one.title;
      var made = document.createElement(link ? "a" : "span");
      if (link) made.href = link + encodeURIComponent(one.id);
      made.textContent = own.plain(said);
      item.appendChild(made);
      list.appendChild(item);
    });
    box.appendChild(list);
    if (found.length > 8) box.appendChild(line("and " + (found.length - 8) + " more", "small"));
  }
  function answered(box, wish, found) {
    box.textContent = "";
    var sum = function (counts) { return Object.keys(counts).reduce(function (n, kind) { return n + counts[kind]; }, 0); };
    var after = found.findings.some(function (one) { return one.id === wish.id; });
    box.appendChild(line("Replayed " + found.requests.toLocaleString("en") + " requests of " + many(found.apis, "API") + ": " +
      many(sum(found.counts.after), "finding") + " instead of " + sum(found.counts.before) + ", " + found.same + " unchanged. This one " +
      (after ? "would be raised, too." : "would not be raised as it is.")));
    listed(box, "New", found["new"], "");
    listed(box, "Gone", found.gone, wish.link);
    listed(box, "Changed", found.changed.map(function (one) {
      return Object.assign({}, one.before, { title: one.before.title + " (" + one.fields.join(", ").replace(/_/g, " ") + ")" });
    }), wish.link);
  }
  function watched(box, button, wish, id) {
    ask("/api/v1/backtests/" + id).then(function (job) {
      if (!box.isConnected) return null; // somebody went on to another page: the worker ends it all the same
      if (job.state === "waiting" || job.state === "running") {
        var share = Math.round(job.progress.share * 100);
        box.textContent = "";
        var bar = document.createElement("progress");
        bar.max = 100;
        bar.value = share;
        bar.setAttribute("aria-label", "Replay");
        box.appendChild(bar);
        box.appendChild(line(job.state === "waiting" ? "Waits for the worker." : "Replaying: " + share + " %"));
        window.setTimeout(function () { watched(box, button, wish, id); }, 700);
        return null;
      }
      if (job.state !== "done") throw new Error("The replay " + job.state + (job.error ? ": " + job.error : "."));
      return ask("/api/v1/backtests/" + id + "/result").then(function (found) {
        answered(box, wish, found);
        button.disabled = false;
      });
    }).catch(function (error) { box.textContent = own.plain(error.message); button.disabled = false; });
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest(".replay-go");
    if (!button || button.disabled) return;
    var part = button.closest(".replay"), box = part.querySelector(".replay-said"), wish = JSON.parse(part.dataset.replay);
    var place = Number(part.querySelector("[role=slider]").getAttribute("aria-valuenow"));
    button.disabled = true;
    box.textContent = "Asking for it …";
    var body = Object.assign({}, wish.body, { set: { false_alarms_per_week: wish.budgets[place] } });
    own.send("POST", "/api/v1/backtests", body).then(function (job) { watched(box, button, wish, job.id); })
      .catch(function (error) { box.textContent = own.plain(error.message); button.disabled = false; });
  });

  // The address of this page, with these keys of it.
  function linked(keys) {
    var query = new URLSearchParams(window.location.search);
    Object.keys(keys).forEach(function (key) { if (keys[key]) query.set(key, keys[key]); else query.delete(key); });
    return window.location.origin + window.location.pathname + "?" + query.toString();
  }

  // ---- Copying. Without a clipboard (plain http) the text is shown to be copied by hand.
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    var text = button.dataset.copy.split("{origin}").join(window.location.origin);
    if (text === "{link}") text = linked(JSON.parse(button.dataset.frozen || "{}"));
    var shown = document.createElement("code");
    shown.className = "command secret";
    shown.textContent = text;
    var clipboard = window.navigator.clipboard;
    (clipboard ? clipboard.writeText(text) : Promise.reject()).then(function () {
      own.say("Copied.", "good");
    }, function () { own.say("Copy this:", "keep", shown); });
    var panel = button.closest("details.pop");
    if (panel) leave(panel);
  });

  // ---- Requests: a drawer with every field of one, and the values that the rows are filtered by.
  function grid() {
    try { return window.dash_ag_grid.getApi("requests-grid"); } catch (error) { return null; }
  }
  function drawer() {
    var box = document.getElementById("request-drawer");
    if (box) return box;
    box = document.createElement("dialog");
    box.id = "request-drawer";
    box.className = "drawer";
    box.setAttribute("aria-label", "One request");
    box.addEventListener("click", function (event) { if (event.target === box) box.close(); });
    box.addEventListener("keydown", function (event) {
      var step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      show(Number(box.dataset.at) + step);
    });
    document.body.appendChild(box);
    return box;
  }
  function button(label, act, named) {
    var made = document.createElement("button");
    made.type = "button";
    made.className = "plain-button";
    made.textContent = label;
    if (named) made.setAttribute("aria-label", named);
    made.addEventListener("click", act);
    return made;
  }
  function show(at) {
    var api = grid();
    var node = api && api.getDisplayedRowAtIndex(at);
    if (!node) return;
    var box = drawer();
    box.dataset.at = at;
    box.textContent = "";
    var head = document.createElement("div");
    head.className = "drawer-head";
    var title = document.createElement("h2");
    title.textContent = "Request " + (at + 1) + " of " + api.getDisplayedRowCount();
    head.append(title, button("↑", function () { show(at - 1); }, "Previous request (key k)"),
      button("↓", function () { show(at + 1); }, "Next request (key j)"), button("Close", function () { box.close(); }));
    var list = document.createElement("dl");
    list.className = "fields";
    node.data.all.forEach(function (pair) {
      var row = document.createElement("div");
      var name = document.createElement("dt");
      name.textContent = pair[0];
      var value = document.createElement("dd");
      value.textContent = pair[1];
      var copy = button("Copy", function () {}, "Copy " + pair[0]);
      copy.dataset.copy = pair[1];
      row.append(name, value, copy);
      list.appendChild(row);
    });
    box.append(head, list);
    if (!box.open) box.showModal();
    head.lastChild.focus();
  }
  function row(target) { return target.closest && target.closest("#requests-grid .ag-row"); }
  document.addEventListener("click", function (event) {
    var found = row(event.target);
    if (found && !String(window.getSelection())) show(Number(found.getAttribute("row-index")));
  });
  document.addEventListener("keydown", function (event) {
    var found = event.key === "Enter" && row(event.target);
    if (found) { event.preventDefault(); show(Number(found.getAttribute("row-index"))); }
  });

  // A bar's buttons: only these requests, or all others.
  document.addEventListener("click", function (event) {
    var from = event.target.closest("[data-only], [data-without]");
    var api = from && grid();
    if (!api) return;
    var only = from.dataset.only !== undefined;
    var wish = JSON.parse(only ? from.dataset.only : from.dataset.without);
    var model = api.getFilterModel() || {};
    model[wish.column] = { filterType: "text", type: only ? "equals" : "notEqual", filter: wish.value };
    api.setFilterModel(model);
    said();
    document.getElementById("requests-grid").scrollIntoView({ block: "center" });
  });
  function said() {
    var api = grid();
    var box = document.querySelector(".requests-filter");
    if (!api || !box) return;
    var model = api.getFilterModel() || {};
    box.textContent = "";
    Object.keys(model).forEach(function (column) {
      var one = model[column];
      var chip = button((one.type === "notEqual" ? "Not " : "Only ") + one.filter + "  ✕", function () {
        var now = api.getFilterModel();
        delete now[column];
        api.setFilterModel(now);
        said();
      }, "Show all again: " + one.filter);
      box.appendChild(chip);
    });
    if (box.firstChild) box.appendChild(line(many(api.getDisplayedRowCount(), "row") + " of those shown here", "small"));
  }
})();
