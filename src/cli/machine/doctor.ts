/** `oxbow doctor`: what of Oxbow works on this machine, found out by using it once, and what to do about the rest. */
import { askOffline } from '../../runner/index.ts'
import type { DoctorCheck } from '../../types/index.ts'
import { exitOf } from '../failure-report.ts'
import { guestSetup } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { checkNames, type KnownCall } from './config-names.ts'
import { describeCheck, describeVerdict } from '../view/doctor-text.ts'
import { plainText } from '../view/terminal-text.ts'

export interface DoctorOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** @returns 0 when the tier of the configuration works, else the code of a missing sandbox. */
export async function doctor(options: DoctorOptions, terminal: Terminal): Promise<number> {
  const place = guestSetup(options, terminal)
  const checks: DoctorCheck[] = []
  // One by one: the slowest takes seconds, and what is known may help already.
  const tell = (check: DoctorCheck): void => {
    checks.push(check)
    if (options.json !== true) for (const text of describeCheck(check)) printText(terminal, plainText(text))
  }
  for await (const line of askOffline(place, { command: 'doctor' })) tell(line as DoctorCheck)
  const calls: KnownCall[] = []
  for await (const line of askOffline(place, { command: 'calls' })) calls.push(line as KnownCall)
  tell(checkNames(place.config, calls))
  const works = checks.some(({ required, state }) => required && state !== 'missing')
  if (options.json === true) printLine(terminal, JSON.stringify({ works, checks }))
  else printText(terminal, plainText(`\n${describeVerdict(checks)}`))
  return works ? 0 : exitOf('sandbox_missing')
}
