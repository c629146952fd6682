/** Where programs that an editor names lie, and what of this machine the sandbox would show of them. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { createServerPorts } from './editor-servers.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-programs-')))
after(() => rmSync(root, { recursive: true, force: true }))
const person = join(root, 'ada')
const home = join(person, '.oxbow')
mkdirSync(home, { recursive: true })

function file(path: string): string {
  const full = join(person, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, '')
  return full
}

const { placeProgram } = createServerPorts({ home: { root: home }, env: { HOME: person } } as never)
const placed = (path: string): string => {
  const found = placeProgram(path)
  return found === null ? 'none' : `${found.folder.replace(person, '~')} ${found.path}`
}

test('a program is shown with the folder of its packages, else its package, else its own folder', () => {
  // A home with a package.json is no package.
  file('package.json')
  assert.equal(placed(file('alone/x/server.py')), '~/alone/x /opt/server/server.py')
  file('tool/package.json')
  assert.equal(placed(file('tool/dist/server.js')), '~/tool /opt/server/dist/server.js')
  const packed = file('app/node_modules/@a/b/dist/main.mjs')
  file('app/node_modules/@a/b/package.json')
  assert.equal(placed(packed), '~/app /opt/server/node_modules/@a/b/dist/main.mjs')
  mkdirSync(join(person, 'app/node_modules/.bin'))
  const link = join(person, 'app/node_modules/.bin/b')
  symlinkSync('../@a/b/dist/main.mjs', link)
  assert.equal(placed(link), '~/app /opt/server/node_modules/@a/b/dist/main.mjs')
  file('.cache/npx/1/package.json')
  assert.equal(placed(file('.cache/npx/1/server.js')), '~/.cache/npx/1 /opt/server/server.js')
  file('venv/pyvenv.cfg')
  mkdirSync(join(person, 'venv/bin'))
  const python = join(person, 'venv/bin/python')
  symlinkSync('/bin/sh', python)
  assert.equal(placed(python), '~/venv /opt/server/bin/python')
})

test('a program of the system, a folder and what is not there are no programs of a folder', () => {
  for (const path of ['/bin/sh', '/usr/bin/env', person, join(person, 'none.js'), '/dev/null']) assert.equal(placed(path), 'none')
})

test('a program next to a person’s own files is refused', () => {
  for (const path of ['server.js', '.ssh/server.js', '.oxbow/server.js', 'a/.hidden/server'])
    assert.throws(() => placeProgram(file(path)), { code: 'path_refused' }, path)
  const loose = join(realpathSync('/tmp'), `oxbow-${process.pid}.js`)
  writeFileSync(loose, '')
  after(() => rmSync(loose))
  assert.throws(() => placeProgram(loose), { code: 'path_refused' })
})
