/** Completions in the shells that people have, on a terminal, with the Tab key: sourced as a person does, and where a package puts them. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { withoutProgram } from '../support/needed-program.ts'

const pty = createRequire(import.meta.url)('@lydell/node-pty') as {
  spawn(
    file: string,
    args: readonly string[],
    options: object,
  ): { write(text: string): void; onData(take: (text: string) => void): void; kill(): void }
}
const patienceMs = 20_000

/** Typed, with a Tab at its end, and what is in the line then. */
const cases = [
  ['oxbow sched', 'oxbow schedule '],
  ['oxbow config va', 'oxbow config validate '],
  ['oxbow schedule add --js', 'oxbow schedule add --json '],
  ['oxbow approvals approve x --always pat', 'oxbow approvals approve x --always pattern '],
  ['oxbow plugin info only-', 'oxbow plugin info only-one '],
  ['oxbow run --model some/', 'oxbow run --model some/model '],
] as const

let folder = ''

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oxbow-shells-'))
  for (const name of ['bin', 'zsh', 'home']) mkdirSync(join(folder, name))
  for (const shell of ['bash', 'zsh', 'fish']) {
    const output = new PassThrough()
    const terminal = { input: new PassThrough(), output, errors: new PassThrough(), env: {}, version: '1' } as unknown as Terminal
    assert.equal(await runProgram(['completion', shell], terminal), 0)
    writeFileSync(join(folder, shell === 'zsh' ? 'zsh/_oxbow' : shell), String(output.read()))
  }
  // What scripts ask for names of what exists.
  const names = '#!/bin/sh\ncase "$*" in *plugin*) echo only-one;; *models*) echo some/model;; esac\n'
  writeFileSync(join(folder, 'bin/oxbow'), names, { mode: 0o755 })
})
after(() => rmSync(folder, { recursive: true }))

const shells = [
  ['bash', 'bash', ['--norc', '--noprofile', '-i'], () => `source ${folder}/bash`],
  ['zsh', 'zsh', ['-f', '-i'], () => `autoload -Uz compinit; compinit -u -D; source ${folder}/zsh/_oxbow`],
  ['zsh, from its folder of functions', 'zsh', ['-f', '-i'], () => `fpath=(${folder}/zsh $fpath); autoload -Uz compinit; compinit -u -D`],
  ['fish', 'fish', ['--no-config', '-i'], () => `source ${folder}/fish`],
] as const

for (const [name, shell, args, setup] of shells) {
  test(`${name} completes verbs, options, their choices and names of what exists`, { skip: withoutProgram(shell) }, async () => {
    const env = { PATH: `${folder}/bin:${process.env['PATH']}`, HOME: join(folder, 'home'), TERM: 'dumb', PS1: '> ' }
    const child = pty.spawn(shell, args, { cols: 160, rows: 40, env, cwd: folder })
    let said = ''
    child.onData((text) => (said += text))
    const until = async (isSo: () => boolean, what: string): Promise<void> => {
      for (const end = performance.now() + patienceMs; !isSo(); await sleep(20))
        assert.ok(performance.now() < end, `${what}: ${JSON.stringify(said)}`)
    }
    try {
      child.write(`${setup()}; echo set"-"up\r`)
      await until(() => said.includes('set-up'), 'the shell did not start')
      for (const [typed, completed] of cases) {
        child.write(`${typed}\t`)
        await until(() => shown(said).includes(completed), `${typed} was not completed`)
        // An empty line again, read in order: a signal would take what is typed behind it along.
        said = ''
        child.write('\u0015echo emp"-"ty\r')
        await until(() => said.includes('emp-ty'), 'the line was not taken away')
        said = ''
      }
    } finally {
      child.kill()
    }
  })
}

/** The text of a line, without what moves and colours it. */
function shown(text: string): string {
  // eslint-disable-next-line no-control-regex -- that is what it takes away
  return text.replaceAll(/\u001B(?:\[[\d;?]*[A-Za-z]|[()=>][A-Z0-9]?)|[\r\u0007\u0008]/g, '').replaceAll(/ {2,}/g, ' ')
}
