/**
 * The process of channels of one user. It holds the tokens of the platforms and a key of its own for the guest, both from its input: a line says
 * how things are to be, the next one replaces it, and the end of the input ends the process. It writes to no file; Node
 * keeps its compiled code where the runner says.
 */
import { createInterface } from 'node:readline'
import { systemClock, systemRandom } from '../base/index.ts'
import { createChannelHost, type HostedChannels } from './channel-host.ts'
import { endMs } from './limits.ts'

const host = createChannelHost({
  clock: systemClock,
  random: systemRandom,
  // As lines of the guest's log are; `oxbow logs` reads both.
  log: (msg, { level = 'warn', ...fields } = {}) =>
    console.error(JSON.stringify({ time: new Date().toISOString(), level, msg, of: 'channels', ...fields })),
})

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  try {
    host.take(JSON.parse(line) as HostedChannels)
  } catch {
    // The runner is trusted; a line of another version is not understood.
  }
})
lines.once('close', () => {
  setTimeout(() => process.exit(0), endMs).unref()
  void host.close().finally(() => process.exit(0))
})
