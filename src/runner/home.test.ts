import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError } from '../base/index.ts'
import { hostFiles, machineConfigOf, openHome, openWorkspace, parseUser } from './home.ts'
import { makeMasterKeys } from './master-keys.ts'
import { openHeadSigner, readSeal } from './heads/head-signing.ts'
import { spawnGuest } from './guest-process.ts'
import { systemClock } from '../base/index.ts'
import { parseConfig } from '../services/index.ts'

void test('a new home has every folder of the workspace, accessible to its owner only', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    const home = openHome({ OXBOW_HOME: join(root, 'new', 'home') })
    const workspace = openWorkspace(home, parseUser('default'))
    for (const name of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) {
      assert.equal(statSync(join(workspace.root, name)).mode & 0o777, 0o700, name)
    }
    assert.equal(workspace.root, join(root, 'new', 'home', 'users', 'default'))
  } finally {
    rmSync(root, { recursive: true })
  }
})

void test('a folder that others can access is closed when the workspace opens', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    const ipc = join(root, 'users', 'ada', 'ipc')
    mkdirSync(ipc, { recursive: true })
    chmodSync(ipc, 0o777)
    openWorkspace(openHome({ OXBOW_HOME: root }), parseUser('ada'))
    assert.equal(statSync(ipc).mode & 0o777, 0o700)
  } finally {
    rmSync(root, { recursive: true })
  }
})

void test('without OXBOW_HOME the home is .oxbow in HOME', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    assert.equal(openHome({ HOME: root }).root, join(root, '.oxbow'))
  } finally {
    rmSync(root, { recursive: true })
  }
})

void test('a home that cannot be made is a configuration error with advice', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    writeFileSync(join(root, 'file'), '')
    assert.throws(
      () => openHome({ OXBOW_HOME: join(root, 'file', 'home') }),
      (error) => isOxbowError(error, 'bad_config') && error.hint.includes('OXBOW_HOME'),
    )
  } finally {
    rmSync(root, { recursive: true })
  }
})

void test('user names that leave the folder or garble a terminal are refused', () => {
  for (const bad of ['', '.', '..', '../x', 'a/b', 'a\\b', 'a..b', '.hidden', 'a b', 'a\nb', 'a\u001b[2J', 'x'.repeat(65)]) {
    assert.throws(
      () => parseUser(bad),
      (error) => isOxbowError(error, 'bad_input'),
      JSON.stringify(bad),
    )
  }
  for (const good of ['default', 'ada', 'ada.lovelace', 'Ωmega', 'a-b_c@d']) assert.equal(parseUser(good), good)
})

void test('no accepted user name leaves the folder of users', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const user = parseUser(text)
        return join('/home/users', user).startsWith('/home/users/') && join('/home/users', user, '..') === '/home/users'
      } catch (error) {
        return isOxbowError(error, 'bad_input')
      }
    }),
  )
})

void test('a file in place of a folder, or the reverse, is reported with its path and what to do', async () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    const home = openHome({ OXBOW_HOME: root })
    const user = parseUser('default')
    const workspace = openWorkspace(home, user)
    writeFileSync(join(home.runner, 'keys'), '')
    writeFileSync(join(home.runner, 'heads'), '')
    mkdirSync(join(workspace.logs, 'guest.stderr.log'))
    const told = (path: string) => (error: unknown) =>
      isOxbowError(error, 'bad_config') && error.message.includes(path) && error.hint.startsWith('Check ')
    assert.throws(() => makeMasterKeys({ home, user, config: parseConfig({}, 'test'), env: {} }), told('runner/keys'))
    assert.throws(() => openHeadSigner(home, user, systemClock), told('runner/heads'))
    assert.throws(() => readSeal(home, user), told('runner/heads'))
    const envelope = {} as Parameters<typeof spawnGuest>[0]['envelope']
    await assert.rejects(spawnGuest({ home, workspace, envelope, program: { entry: '' }, env: {} }), told('logs/guest.stderr.log'))
  } finally {
    rmSync(root, { recursive: true })
  }
})

void test('a full disk is reported as such, and other errors are unchanged', () => {
  const fails = (error: unknown): (() => never) => {
    return () =>
      hostFiles(() => {
        throw error
      })
  }
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', errno: -28, syscall: 'write' })
  assert.throws(fails(full), (error) => isOxbowError(error, 'store_full') && error.hint !== '')
  assert.throws(fails(new TypeError('a bug')), TypeError)
})

void test('in system mode nobody but root chooses another file of the machine, where root has a folder for it', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  try {
    const [env, usual] = [{ OXBOW_MACHINE_CONFIG: '/elsewhere/config.toml' }, join(root, 'config.toml')]
    const isRoots = statSync(root).uid === 0
    assert.equal(machineConfigOf(env, 'ada', root, 1_001), isRoots ? usual : '/elsewhere/config.toml')
    assert.equal(machineConfigOf(env, 'ada', root, 0), '/elsewhere/config.toml')
    assert.equal(machineConfigOf(env, null, root, 1_001), '/elsewhere/config.toml', 'a person keeps a home of their own')
    assert.equal(machineConfigOf(env, 'ada', join(root, 'none'), 1_001), '/elsewhere/config.toml')
    assert.equal(machineConfigOf({}, 'ada', root, 1_001), usual)
    if (!isRoots) return
    chownSync(root, 1_001, 1_001)
    assert.equal(machineConfigOf(env, 'ada', root, 1_001), '/elsewhere/config.toml', 'a folder of their own holds nobody')
  } finally {
    rmSync(root, { recursive: true })
  }
})
