/** What is typed into a session. With a terminal it is bytes and nothing else; without one, some keys are done by hand. */
import type { SessionKey } from '../../types/index.ts'
import { failed } from '../failure.ts'
import { maxSessionInputBytes, maxWaitingInputBytes } from '../limits.ts'
import { describeEnd } from './session-keeper.ts'
import type { KeptSession } from './session-keeper.ts'

/** @throws the failures `tool_failed` when nothing reads it, `bad_input`, `limit_reached` */
export function sendInput(session: KeptSession, text: string, keys: readonly SessionKey[]): void {
  const { outlet, process, id } = session
  const { input, terminal } = process
  const end = outlet.ended()
  if (end !== null) throw failed('tool_failed', `${id} ${describeEnd(end)}: it takes no input.`, 'Its output can still be read.')
  if (input === null) throw failed('tool_failed', `${id} is a job and takes no input.`, 'Open a session, and start it in that.')
  if (!input.isOpen()) throw failed('tool_failed', `The input of ${id} is closed.`, 'Open another session.')
  const bytes = Buffer.byteLength(text)
  if (bytes > maxSessionInputBytes) throw failed('limit_reached', 'The input is too long.', 'Write it to a file, and name that.')
  if (input.waitingBytes() + bytes > maxWaitingInputBytes) {
    throw failed('limit_reached', `What runs in ${id} does not read its input.`, 'Wait for it, or end it by a signal.')
  }
  if (terminal) {
    // A line of a terminal is ended by its enter key.
    const typed = text.replaceAll(/\r?\n/g, '\r') + keys.map((key) => keyBytes[key]).join('')
    outlet.wrote(typed.split('\r').length - 1)
    input.write(typed)
    return
  }
  const refused = keys.find((key) => !withoutTerminal.has(key))
  if (refused !== undefined) throw failed('bad_input', `${refused} needs a terminal.`, 'Open a session with one.')
  outlet.wrote(text.split('\n').length - 1 + keys.filter((key) => key === 'enter').length)
  input.write(text)
  for (const key of keys) {
    if (key === 'enter') input.write('\n')
    else if (key === 'tab') input.write('\t')
    else if (key === 'ctrl_d') input.end()
    // As a terminal does it: the shell too, which may be between two commands, run none, or wait at its prompt.
    else for (const pid of [process.pid, ...session.foreground()]) kill(pid, key === 'ctrl_c' ? 'SIGINT' : 'SIGQUIT')
  }
}

/** What keys send: as xterm does in its normal mode. */
const keyBytes: Readonly<Record<SessionKey, string>> = {
  enter: '\r',
  tab: '\t',
  escape: '\u001B',
  backspace: '\u007F',
  delete: '\u001B[3~',
  up: '\u001B[A',
  down: '\u001B[B',
  right: '\u001B[C',
  left: '\u001B[D',
  home: '\u001B[H',
  end: '\u001B[F',
  page_up: '\u001B[5~',
  page_down: '\u001B[6~',
  ctrl_a: '\u0001',
  ctrl_c: '\u0003',
  ctrl_d: '\u0004',
  ctrl_e: '\u0005',
  ctrl_k: '\u000B',
  ctrl_l: '\u000C',
  ctrl_r: '\u0012',
  ctrl_u: '\u0015',
  ctrl_w: '\u0017',
  ctrl_x: '\u0018',
  ctrl_z: '\u001A',
  ctrl_backslash: '\u001C',
}

const withoutTerminal: ReadonlySet<SessionKey> = new Set(['enter', 'tab', 'ctrl_c', 'ctrl_d', 'ctrl_backslash'])

function kill(pid: number, signal: 'SIGINT' | 'SIGQUIT'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended since the table was read.
  }
}
