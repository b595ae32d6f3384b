/** A switch with a listener is left behind, in a process without a node: it must end by itself. */
import { KillSwitch } from 'hubless';

const killSwitch = new KillSwitch({ calls: 1, wallTimeMs: 3_600_000 });
// Not garbage: it must be the wait that does not matter.
globalThis.kept = killSwitch;
killSwitch.onTripped(() => console.log('tripped'));
console.log(killSwitch.state === 'armed' ? 'as expected' : killSwitch.state);
