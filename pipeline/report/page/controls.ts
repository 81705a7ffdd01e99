import { element } from './dom.ts';

let serial = 0;

/** A choice between labelled values, the first one chosen. `show` is called at each change. */
export function choice<Value extends string>(
  what: string,
  values: readonly (readonly [value: Value, label: string])[],
  show: (value: Value) => void,
): HTMLFieldSetElement {
  const name = `choice-${serial++}`;
  const options = values.map(([value, label], i) => {
    const input = element('input', '');
    Object.assign(input, { type: 'radio', name, checked: i === 0 });
    input.addEventListener('change', () => show(value));
    return element('label', '', input, element('span', '', label));
  });
  return element('fieldset', 'choice', element('legend', 'hidden', what), ...options);
}

/** Makes a button copy a text, and say whether it did. */
export function copyButton(button: HTMLButtonElement, text: string): void {
  button.addEventListener('click', async () => {
    button.textContent = (await copy(text)) ? 'Copied' : 'Not copied';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 2000);
  });
}

/** Pages of `file:` may have no clipboard of their own. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element('textarea', 'hidden', text);
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand('copy');
    field.remove();
    return isCopied;
  }
}
