import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeWhole } from './write-whole.ts'

void test('a file is replaced whole, with its mode, through missing folders, and a link is replaced instead of followed', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-whole-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const path = join(root, 'new', 'file.json')
  writeWhole(path, 'first')
  writeWhole(path, new TextEncoder().encode('second'), 0o644)
  assert.equal(readFileSync(path, 'utf8'), 'second')
  assert.equal(statSync(path).mode & 0o777, 0o644)
  assert.deepEqual(readdirSync(join(root, 'new')), ['file.json'])

  writeFileSync(join(root, 'target'), 'kept')
  symlinkSync(join(root, 'target'), join(root, 'link'))
  writeWhole(join(root, 'link'), 'own')
  assert.deepEqual([readFileSync(join(root, 'target'), 'utf8'), readFileSync(join(root, 'link'), 'utf8')], ['kept', 'own'])
})

void test('a write that fails leaves what was there, and no draft', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-whole-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'taken', 'inside'), { recursive: true })
  assert.throws(() => writeWhole(join(root, 'taken'), 'x'), { code: /EISDIR|ENOTEMPTY|EEXIST/ })
  assert.deepEqual(readdirSync(root), ['taken'])
})
