/** A terminal at a guest that is expected to serve. */
import assert from 'node:assert/strict'
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

/** Makes a call that is expected to succeed. @returns its output */
export async function outputOf<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const { result } = await terminal.expect('result', 'call', { name, input: input as never })
  const outcome = result as unknown as { readonly status: string; readonly output: Output; readonly text: string }
  assert.equal(outcome.status, 'ok', outcome.text)
  return outcome.output
}
