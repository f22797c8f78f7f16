/** Adds the parts of JavaScript that the window's packages use beyond Chromium 83, the oldest that must show it. */
import 'core-js/actual/array/at';
import 'core-js/actual/object/has-own';
import 'core-js/actual/string/replace-all';
import 'core-js/actual/structured-clone';
