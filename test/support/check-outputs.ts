/**
 * Loaded before all tests: holds what each call returns to the schema of its output. What differs is an uncaught error, which fails the test
 * that made the call. Nothing is checked where Oxbow runs for a person.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Call } from '../../src/protocol/index.ts'

subscribe('oxbow:output', (message) => {
  const { call, output } = message as { readonly call: Pick<Call, 'name' | 'output'>; readonly output: unknown }
  const { success, error } = call.output.safeParse(output)
  if (!success) throw new Error(`${call.name} returned what its schema does not describe: ${error.message}\n${shown(output)}`)
})

const shown = (output: unknown): string => (JSON.stringify(output) ?? 'undefined').slice(0, 2_000)
