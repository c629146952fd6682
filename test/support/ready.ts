/** A terminal at a guest that is expected to serve. */
import type { TestGuest } from './guest-process.ts'
import { openTerminal, type Terminal } from './terminal.ts'
import type { TestWorkspace } from './workspace.ts'

/** @throws with the guest's own words when it does not serve. */
export async function readyUrl(guest: Pick<TestGuest, 'started'>): Promise<string> {
  const started = await guest.started
  if (started.type !== 'ready') throw new Error(`the guest does not serve: ${JSON.stringify(started)}`)
  return started.url
}

export async function openReady(guest: Pick<TestGuest, 'started'>, workspace: Pick<TestWorkspace, 'root'>): Promise<Terminal> {
  return openTerminal(await readyUrl(guest), workspace)
}
