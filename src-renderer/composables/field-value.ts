import type { ObjectDirective } from 'vue';

type Value = string | number | null;

interface Shown {
  value: Value;
  /** Something was typed that the field has not handed over yet. */
  typing: boolean;
}

const fields = new WeakMap<HTMLInputElement, Shown>();
const text = (value: Value): string => String(value ?? '');

/**
 * Shows a value in a field that hands over what is typed when it is left (`@change`). Until then the text is the
 * person's: a late answer that draws the form anew does not take it back, which `:value` would do.
 */
export const vFieldValue: ObjectDirective<HTMLInputElement, Value> = {
  created(field, { value }) {
    const shown: Shown = { value, typing: false };
    fields.set(field, shown);
    field.value = text(value);
    field.addEventListener('input', () => (shown.typing = true));
    // Before the component's own listener, which may write into the field.
    field.addEventListener('change', () => (shown.typing = false));
    // What was typed and taken back, or was none, is no change: the field shows what counts.
    field.addEventListener('blur', () => {
      shown.typing = false;
      field.value = text(shown.value);
    });
  },
  updated(field, { value }) {
    const shown = fields.get(field);
    if (!shown) return;
    shown.value = value;
    if (!shown.typing && field.value !== text(value)) field.value = text(value);
  },
};
