// Preloaded (`node --import`): the wall clock begins a day ago and goes back by a second at each look. What measures
// durations, performance.now, does not change, as when a user sets the computer's clock.
const RealDate = Date;
let time = RealDate.now() - 86_400_000;
const look = () => (time -= 1000);

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, self) => Reflect.construct(target, args.length ? args : [look()], self),
  apply: () => new RealDate(look()).toString(),
  get: (target, name) => (name === 'now' ? look : Reflect.get(target, name)),
});
