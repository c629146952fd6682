/** A home whose guest has bundled programs, as a person runs it: the program as a process, and its command line. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shareCompileCache } from '../support/compile-cache.ts'
import type { TestModel } from '../support/model.ts'
import { type Home, openHome } from '../support/program.ts'

export const programsFolder: string = fileURLToPath(new URL('../../programs/', import.meta.url))

export interface ProgramRun<Result> {
  readonly id: string
  readonly status: string
  readonly result: Result
  readonly failure: { readonly code: string; readonly message: string } | null
  readonly waiting_for: string
}

export interface BundledHome extends Home {
  /** Of the person. */
  readonly user: string
  readonly shared: string
  /** Runs a program to its end. @throws unless it succeeds */
  result<Result>(program: string, input?: object): Promise<Result>
  /** The events of one kind that programs have published, oldest first. */
  published<Data>(kind: string): Promise<readonly Data[]>
}

/** @param config of its config.toml, after `[model]`; there is no embedder. @param model the offline one when absent @param parent of the home's folder */
export async function openBundled(
  programs: readonly string[],
  config = '',
  model?: TestModel,
  parent: string = tmpdir(),
): Promise<BundledHome> {
  const folder = mkdtempSync(join(parent, 'oxbow-home-'))
  writeFileSync(join(folder, 'config.toml'), `[memory]\nembedder = "none"\n${modelSection(model)}${config}`)
  shareCompileCache(folder)
  for (const name of programs) cpSync(join(programsFolder, name), join(folder, 'programs', name), { recursive: true })
  const home = await openHome('', folder)
  const [name = ''] = readdirSync(join(folder, 'users'))
  const user = join(folder, 'users', name)
  return {
    ...home,
    user,
    shared: join(user, 'shared'),
    async result<Result>(program: string, input: object = {}) {
      const { exit, out, err } = await home.oxbow(['program', 'run', program, '--inputs', JSON.stringify(input), '--json'])
      // 12: by its result, it has not done what it was for.
      assert.ok(exit === 0 || (exit === 12 && out.includes('"ok":false')), out + err)
      const [line = ''] = out.split('\n')
      return (JSON.parse(line) as ProgramRun<Result>).result
    },
    async published<Data>(kind: string) {
      const query = JSON.stringify({ name: 'events.publish', phase: 'outcome', limit: 200 })
      const [found] = await home.json<{ records: readonly { readonly body: string }[] }>('call', 'audit.query', query)
      const bodies = (found?.records ?? []).map(({ body }) => JSON.parse(body) as { kind?: string; data: Data })
      return bodies.flatMap((body) => (body.kind === kind ? [body.data] : [])).toReversed()
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

function modelSection(model: TestModel | undefined): string {
  if (model === undefined) return '[model]\nprovider = "offline"\n'
  return `[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n`
}
