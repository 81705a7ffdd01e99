import { element } from './dom.ts';

/** Makes a button copy a text. */
export function copyButton(button: HTMLButtonElement, text: string): void {
  button.addEventListener('click', async () => {
    await copy(text);
    button.textContent = 'Copied';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 2000);
  });
}

/** Pages of `file:` may have no clipboard of their own. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element('textarea', 'hidden', text);
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
}
