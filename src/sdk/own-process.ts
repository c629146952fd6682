/** Starts the guest in this process. Its code is loaded only then: next to this file in the build, else the source. */
import type { GuestEnvelope } from '../config/index.ts'
import type { GuestSetup } from '../runner/index.ts'

type Spawn = NonNullable<GuestSetup['spawn']>

/** Of `src/guest/own-process.ts`. */
interface OwnProcess {
  guestHere(envelope: GuestEnvelope): Omit<Awaited<ReturnType<Spawn>>, 'pid'>
}

export async function ownProcess(): Promise<Spawn> {
  const isBuilt = import.meta.url.endsWith('.js')
  const { href } = new URL(isBuilt ? './own-process.js' : '../guest/own-process.ts', import.meta.url)
  const { guestHere } = (await import(href)) as OwnProcess
  return async ({ envelope }) => ({ ...guestHere(envelope), pid: process.pid })
}
