/** Files of another version of the configuration: what is read, written, kept and refused. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'
import { changeFile, movedText, replaceConfigs } from './config-file.ts'
import { configVersion } from './config-versions.ts'
import { loadConfig } from './config-layers.ts'
import { checkConfigText } from './config-text.ts'

const old = '# mine\n[session]\nidle_s = 3\n\n[memory.summary]\nmin_turns = 1\ntrigger_ratio = 0.7\n'

function withHome(
  work: (of: { readonly file: string; readonly home: ReturnType<typeof openHome>; load(): ReturnType<typeof loadConfig> }) => void,
): void {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-versions-'))
  try {
    const home = openHome({ OXBOW_HOME: root, OXBOW_MACHINE_CONFIG: join(root, 'none') })
    const workspace = openWorkspace(home, parseUser('default'))
    work({ file: join(root, 'config.toml'), home, load: () => loadConfig(home, workspace) })
  } finally {
    rmSync(root, { recursive: true })
  }
}

void test('a file of an older version is read as it is, and moved with a copy of it when it is written next', () => {
  withHome(({ file, home, load }) => {
    writeFileSync(file, old, { mode: 0o600 })
    assert.equal(load().memory.summary.trigger_ratio, 0.7)
    assert.equal(readFileSync(file, 'utf8'), old)
    changeFile(home, file, [{ key: ['turn', 'max_turns'], value: 7 }])
    const text = readFileSync(file, 'utf8')
    assert.match(text, new RegExp(`^config_version = ${configVersion}\\n# mine\\n`))
    assert.doesNotMatch(text, /session|min_turns/)
    assert.equal(readFileSync(`${file}.version-1`, 'utf8'), old)
    assert.equal(statSync(`${file}.version-1`).mode & 0o777, 0o600)
    assert.deepEqual([load().turn.max_turns, load().memory.summary.trigger_ratio], [7, 0.7])
    rmSync(`${file}.version-1`)
    changeFile(home, file, [{ key: ['turn', 'max_turns'], value: 8 }])
    assert.equal(existsSync(`${file}.version-1`), false, 'it is moved once')
  })
})

void test('a file that says nothing of another version stays as its person wrote it', () => {
  withHome(({ file, home }) => {
    writeFileSync(file, '[turn]\nmax_turns = 3\n')
    changeFile(home, file, [{ key: ['turn', 'max_turns'], value: 7 }])
    assert.equal(readFileSync(file, 'utf8'), '[turn]\nmax_turns = 7\n')
  })
})

void test('the way back gives a file that an older Oxbow takes, with all else in it', () => {
  withHome(({ file, home, load }) => {
    const now = `config_version = ${configVersion}\n# mine\n[turn]\nmax_turns = 7\n`
    writeFileSync(file, now)
    replaceConfigs(home, [{ file, before: now, text: movedText(file, now, 1) }])
    assert.equal(readFileSync(file, 'utf8'), '# mine\n[turn]\nmax_turns = 7\n')
    assert.equal(readFileSync(`${file}.version-${configVersion}`, 'utf8'), now)
    assert.equal(load().turn.max_turns, 7)
  })
})

void test('a file of a newer version is named with what to do, and never written', () => {
  withHome(({ file, home, load }) => {
    const newer = `config_version = ${configVersion + 1}\n[turn]\nmax_turns = 7\n`
    writeFileSync(file, newer)
    const names = (error: unknown): boolean =>
      isOxbowError(error, 'bad_config') &&
      /is of version \d+ of the configuration/.test(error.message) &&
      /config migrate --to/.test(error.hint)
    assert.throws(load, names)
    assert.throws(() => changeFile(home, file, [{ key: ['turn', 'max_turns'], value: 8 }]), names)
    assert.throws(() => checkConfigText(file, newer), names)
    assert.equal(readFileSync(file, 'utf8'), newer)
  })
  assert.throws(() => checkConfigText('f', 'config_version = "two"\n'), /config_version: must be a (?:whole )?number/)
  assert.throws(() => checkConfigText('f', 'config_version = 0\n'), /config_version: must be at least 1/)
})

void test('whatever the file says besides, it means the same after it was moved', () => {
  const value = fc.constantFrom('max_turns = 3', 'max_turns = 90', '')
  fc.assert(
    fc.property(value, fc.boolean(), fc.boolean(), fc.constantFrom('\n', '\r\n'), (turns, hasSession, hasTurns, end) => {
      const text = [
        '# mine',
        ...(hasSession ? ['[session]', 'max_idle = 20'] : []),
        '[turn]',
        turns,
        '[memory.summary]',
        ...(hasTurns ? ['min_turns = 4'] : []),
        'trigger_ratio = 0.6',
        '',
      ].join(end)
      const moved = movedText('f', text)
      assert.deepEqual(checkConfigText('f', moved), checkConfigText('f', text))
      assert.equal(movedText('f', moved), moved)
      assert.deepEqual(checkConfigText('f', movedText('f', moved, 1)), checkConfigText('f', text))
    }),
  )
})
