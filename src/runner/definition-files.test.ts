import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readDefinitions } from './definition-files.ts'

const root = mkdtempSync(join(tmpdir(), 'definitions-'))
after(() => rmSync(root, { recursive: true }))

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), content)
}

test('definitions are read with their instructions, and a user’s override everybody’s', () => {
  write('home/agents/reader.toml', 'description = "of all"')
  write('home/agents/reader.md', 'Read.')
  write('home/agents/notes.txt', 'no definition')
  write('home/agents/Wrong Name.toml', '')
  write('home/graphs/weekly.toml', 'nodes = []')
  write('user/agents/reader.toml', 'description = "of the user"')
  const found = readDefinitions([join(root, 'home'), join(root, 'user'), join(root, 'missing')])
  assert.deepEqual(found, [
    { kind: 'agents', name: 'reader', toml: 'description = "of the user"', text: '', problem: '' },
    { kind: 'graphs', name: 'weekly', toml: 'nodes = []', text: '', problem: '' },
  ])
})

test('a file that cannot be used is reported, and does not hide the others', () => {
  write('odd/agents/large.toml', 'x'.repeat(64 * 1024 + 1))
  write('odd/agents/bytes.toml', new Uint8Array([0xff, 0xfe]))
  mkdirSync(join(root, 'odd/agents/folder.toml'))
  write('odd/agents/good.toml', '')
  const found = readDefinitions([join(root, 'odd')])
  assert.deepEqual(
    found.map(({ name }) => name),
    ['bytes', 'folder', 'good', 'large'],
  )
  const problems = found.map(({ problem }) => problem)
  assert.match(problems[0]!, /not UTF-8/)
  assert.match(problems[1]!, /not a file/)
  assert.equal(problems[2], '')
  assert.match(problems[3]!, /larger than 64 KiB/)
})
