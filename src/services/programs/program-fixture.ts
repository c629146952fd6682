/** A kernel with programs of the person, for tests. */
import assert from 'node:assert/strict'
import type { CallId, Json, JsonObject } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../config/index.ts'
import { type Fixture, type FixtureOptions, openFixture } from '../../kernel/kernel-fixture.ts'
import type { ProgramRunView } from './program-view.ts'

export interface ProgramFixture extends Fixture {
  run(program: string, input?: JsonObject): Promise<ProgramRunView>
  begin(program: string, input?: JsonObject, id?: CallId): Promise<ProgramRunView>
  ended(run: string): Promise<ProgramRunView>
  until(run: string, fits: (view: ProgramRunView) => boolean): Promise<ProgramRunView>
  ok<Output = JsonObject>(name: string, input: Json, id?: CallId): Promise<Output>
}

/** A program that returns what its script says. @param rights of `[rights]`, as TOML */
export function programOf(name: string, rights: string, script?: string, more = ''): DefinitionText {
  const toml = `[program]\nname = "${name}"\nversion = "1.0.0"\ndescription = "A test."\n${more}\n[rights]\n${rights}\n`
  return { kind: 'programs', name, toml, text: `Does ${name}.`, ...(script !== undefined && { script }), problem: '' }
}

export async function openPrograms(programs: readonly DefinitionText[], options: FixtureOptions = {}): Promise<ProgramFixture> {
  const host = { definitions: async () => programs } as unknown as HostPort
  const guest = await openFixture({ host, ...options })
  const ok: ProgramFixture['ok'] = async <Output = JsonObject>(name: string, input: Json, id?: CallId): Promise<Output> => {
    const done: CallOutcome = await guest.kernel.call(name, input, undefined, id)
    assert.equal(done.status, 'ok', JSON.stringify(done))
    return (done as { output: Output }).output
  }
  const show = (run: string, seconds: number): Promise<ProgramRunView> => ok<ProgramRunView>('program.show', { run, wait_s: seconds })
  return {
    ...guest,
    ok,
    run: (program, input = {}) => ok<ProgramRunView>('program.run', { program, input }),
    begin: (program, input = {}, id) => ok<ProgramRunView>('program.run', { program, input, wait: false }, id),
    ended: (run) => show(run, 20),
    async until(run, fits) {
      for (let left = 800; left > 0; left--) {
        const view = await show(run, 0)
        if (fits(view)) return view
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      throw new Error(`the run never gets there: ${JSON.stringify(await show(run, 0))}`)
    },
    [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
  }
}
