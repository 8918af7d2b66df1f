/**
 * How long a test waits for what has to come, unless it says otherwise: on a machine with several
 * times as much to do as it can, seconds become tens of seconds. Only a test that fails waits so long.
 */
export const PATIENCE_MS = 40_000;
