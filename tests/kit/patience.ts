/**
 * How long a test waits for an expected event by default. On an overloaded machine, seconds become
 * tens of seconds. Only a failing test waits this long.
 */
export const PATIENCE_MS = 40_000;
