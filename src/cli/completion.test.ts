import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { runProgram } from './program.ts'
import type { Terminal } from './terminal.ts'

async function scriptFor(shell: string): Promise<string> {
  const output = new PassThrough()
  const terminal = { input: new PassThrough(), output, errors: new PassThrough(), env: {}, version: '1' } as unknown as Terminal
  assert.equal(await runProgram(['completion', shell], terminal), 0)
  return String(output.read())
}

test('bash completes verbs, verbs of groups, options and their choices', async () => {
  const script = await scriptFor('bash')
  const complete = (...words: readonly string[]): readonly string[] => {
    const typed = ['oxbow', ...words].map((word) => `'${word}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _oxbow 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).split('\n').filter(Boolean)
  }
  assert.deepEqual(complete('sched'), ['schedule'])
  assert.ok(complete('schedule', '').includes('add'))
  assert.deepEqual(complete('config', 'va'), ['validate'])
  assert.deepEqual(complete('config', 'list', '--js'), ['--json'])
  assert.deepEqual(complete('approvals', 'approve', '019a', '--always', 'pat'), ['pattern'])
  assert.deepEqual(complete('nonsense', 'x'), [])
})

test('bash completes ids of what exists, which it asks for', async () => {
  const script = `${await scriptFor('bash')}\noxbow() { echo "$4-1 $4-2"; }`
  const complete = (...words: readonly string[]): string => {
    const typed = ['oxbow', ...words].map((word) => `'${word}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _oxbow 2>/dev/null; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).trim()
  }
  assert.equal(complete('sessions', 'delete', 'ses'), 'session-1 session-2')
  assert.equal(complete('chat', '--session', ''), 'session-1 session-2')
  assert.equal(complete('kill', 'agent-2'), 'agent-2')
  assert.equal(complete('kill', '--rea'), '--reason')
})

test('each script is one that its shell can read, where that is installed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-completion-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = await scriptFor(shell)
    assert.match(script, /schedule/)
    try {
      const file = join(folder, shell)
      writeFileSync(file, script)
      execFileSync(shell, ['-n', file], { stdio: 'pipe' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      t.diagnostic(`${shell} is not installed here`)
    }
  }
})
