// Every page loads this; each behaviour looks for its own data- attribute.
import "./themeswitch.js";
import "./menu.js";
import "./act.js";
import "./filter.js";
import "./select.js";
import "./sections.js";
import "./keys.js";
import "./copy.js";
import "./times.js";
import "./numbers.js";
import "./preview.js";
import "./suggest.js";
import "./adding.js";
import "./line.js";
import "./activity.js";
import "./live.js";
import "./leaving.js";
