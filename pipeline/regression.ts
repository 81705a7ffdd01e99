export { Regression } from './golden/regression.ts';
