/** Where the server sends the changes of what the page shows, relative to the page. */
const EVENTS = '.events';

/** Follows a running run or matrix: `onChange` receives each change, `connection` a fault of it. At the end the page becomes the report. */
export function follow<Change>(connection: HTMLElement, onChange: (change: Change) => void): void {
  const events = new EventSource(EVENTS);
  events.addEventListener('run', ({ data }: MessageEvent<string>) => onChange(JSON.parse(data)));
  events.addEventListener('end', () => {
    events.close();
    location.reload();
  });
  const say = (text: string) => () => void (connection.textContent = text);
  events.addEventListener('open', say(''));
  events.addEventListener('error', say('The server does not answer. The page tries again.'));
}
