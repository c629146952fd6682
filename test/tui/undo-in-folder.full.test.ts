/** Undo in a project of the person, as they have it: the full-screen terminal in their folder, by root and by another account. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openPlainAccount, withoutPlainAccount } from '../containers/plain-user-account.ts'
import { program } from '../support/built.ts'
import { openTerminal } from './virtual-terminal.ts'

const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const scenario = {
  turns: [
    { match: 'first', steps: [call('file_write', { path: 'f.txt', text: 'v1' }), { events: [{ text: 'Written.' }] }] },
    {
      match: 'raise',
      steps: [call('file_edit', { path: '/shared/project/src/port.ts', find: '80', replace: '8080' }), { events: [{ text: 'Raised.' }] }],
    },
  ],
}
const project = {
  'README.md': '# Mine\n',
  '.env': 'KEY=1\n',
  'src/port.ts': 'export const port = 80\n',
  'src/deep/data.bin': '\0\u0001\uFFFD\r\n',
  '.git/HEAD': 'ref: refs/heads/main\n',
}

/** Every file, by name. */
const contentOf = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  )

/** @param stepDown command that runs a program as the account whose home it is */
async function undoOneLine(home: string, stepDown: readonly string[]): Promise<void> {
  const folder = join(home, 'project')
  const oxbow = join(home, 'oxbow')
  const [first = '', ...words] = stepDown
  const own = (file: string, args: readonly string[]): void => {
    const [command, ...rest] = first === '' ? [file, ...args] : [first, ...words, file, ...args]
    execFileSync(command, rest, { env: { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: oxbow }, cwd: home })
  }
  mkdirSync(oxbow)
  writeFileSync(join(oxbow, 'scenario.json'), JSON.stringify(scenario))
  writeFileSync(join(oxbow, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(oxbow, 'scenario.json')}"\n`)
  for (const [path, content] of Object.entries(project)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  // Where Oxbow runs as root, hands have a user of their own.
  for (const name of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) chmodSync(join(folder, name), 0o777)
  if (first !== '') execFileSync('chown', ['-R', '--reference', home, home])
  own(process.execPath, [program, 'run', 'the first'])
  const terminal = openTerminal({ home, stepDown, args: ['tui', '--folder', folder], lines: 50, env: { OXBOW_HOME: oxbow } })
  await terminal.see('allow agents to read and change everything in')
  terminal.type('y\r')
  await terminal.see('Type a message')
  terminal.type('raise the port\r')
  await terminal.see('Raised.')
  assert.equal(readFileSync(join(folder, 'src/port.ts'), 'utf8'), 'export const port = 8080\n')
  terminal.type('/undo\r')
  await terminal.see('Undo a turn', 'raise the port')
  terminal.type('\r')
  await terminal.see('Undo: raise the port')
  terminal.type('\r')
  await terminal.see('Restored project/src/port.ts')
  assert.deepEqual(contentOf(folder), project)
  terminal.type('\u0004')
  assert.equal(await terminal.exit, 0)
  assert.deepEqual(contentOf(folder), project)
}

void describe('undo of one line in a folder of the person, in a home that has a version', () => {
  void it('leaves the folder as it was, byte for byte', async () => {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-undo-'))
    try {
      await undoOneLine(home, [])
    } finally {
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    }
  })

  void it(
    'does so for an account without rights',
    { skip: process.getuid?.() === 0 ? withoutPlainAccount() : 'the test before is that' },
    async () => {
      await using account = await openPlainAccount()
      await undoOneLine(account.home, account.stepDown)
    },
  )
})
