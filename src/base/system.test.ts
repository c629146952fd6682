import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isAlive, retryDelayMs } from './system.ts'

const bounds = { firstMs: 250, maxMs: 5_000 }

const chance = (bits: number) => ({ bytes: () => new Uint8Array(new Uint32Array([bits]).buffer) })

void test('the delay is anywhere between nothing and a bound that doubles up to five seconds', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(0xffffffff), (attempt, bits) => {
      const delay = retryDelayMs(attempt, chance(bits), bounds)
      assert.ok(delay >= 0 && delay < Math.min(5_000, 250 * 2 ** Math.min(attempt, 20)))
    }),
  )
})

void test('the extremes of chance give the extremes of the delay', () => {
  assert.equal(retryDelayMs(0, chance(0), bounds), 0)
  assert.equal(retryDelayMs(0, chance(0xffffffff), bounds), 249)
  assert.equal(retryDelayMs(99, chance(0xffffffff), bounds), 4_999)
})

test('a running process is alive; one that has ended is not, nor is anything that is not a process id', () => {
  assert.equal(isAlive(process.pid), true)
  assert.equal(isAlive(spawnSync('true').pid), false)
  assert.equal(isAlive(2 ** 40), false)
})

test('a process of another user lives', { skip: process.getuid?.() !== 0 && 'only root runs as another' }, () => {
  const asked = `console.log((${isAlive.toString()})(${process.pid}))`
  const { stdout } = spawnSync(process.execPath, ['-e', asked], { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8' })
  assert.equal(stdout, 'true\n')
})
