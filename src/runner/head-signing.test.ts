import assert from 'node:assert/strict'
import { verify } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { signedHeadText } from '../types/index.ts'
import type { Clock, SignedHead } from '../types/index.ts'
import { openHeadSigner, readSeal, thinOut } from './head-signing.ts'
import { openHome, parseUser } from './home.ts'
import type { Home } from './home.ts'
import { maxSignedHeads } from './limits.ts'

const user = parseUser('ada')
const clock: Clock = { now: () => 1_700_000_000_000, monotonicMs: () => 0 }
const head = (seq: number, letter = 'a') => ({ seq, hash: letter.repeat(64) })

function withHome(check: (home: Home) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-heads-'))
  try {
    check(openHome({ OXBOW_HOME: root }))
  } finally {
    rmSync(root, { recursive: true })
  }
}

function isSigned(signed: SignedHead, publicKey: string, name: string): boolean {
  return verify(null, Buffer.from(signedHeadText(name, signed)), publicKey, Buffer.from(signed.signature, 'base64'))
}

void test('a reported head is signed, kept over a restart, and holds for its user only', () => {
  withHome((home) => {
    assert.equal(openHeadSigner(home, user, clock).sign(head(3)), null)
    assert.equal(openHeadSigner(home, user, clock).sign(head(9)), null)
    const { heads, publicKey } = readSeal(home, user)
    assert.deepEqual(
      heads.map((signed) => signed.seq),
      [3, 9],
    )
    assert.ok(heads.every((signed) => isSigned(signed, publicKey, 'ada')))
    assert.ok(!isSigned(heads[0]!, publicKey, 'eve'))
    assert.equal(statSync(join(home.runner, 'signing-key.pem')).mode & 0o777, 0o600)
  })
})

void test('a journal that goes back behind a signed head is reported and not signed', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(9))
    assert.match(signer.sign(head(8)) ?? '', /record 8/)
    assert.match(signer.sign(head(9, 'b')) ?? '', /another record 9/)
    assert.equal(signer.sign(head(9)), null)
    assert.equal(readSeal(home, user).heads.length, 1)
  })
})

void test('a torn last line is dropped and harms no other', () => {
  withHome((home) => {
    openHeadSigner(home, user, clock).sign(head(1))
    appendFileSync(join(home.runner, 'heads', 'ada.jsonl'), '{"seq":2,"ha')
    openHeadSigner(home, user, clock).sign(head(3))
    assert.deepEqual(
      readSeal(home, user).heads.map((signed) => signed.seq),
      [1, 3],
    )
  })
})

void test('the file of heads stays bounded, and the first and the newest heads stay in it', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    for (let seq = 1; seq <= maxSignedHeads * 2; seq++) signer.sign(head(seq))
    const lines = readFileSync(join(home.runner, 'heads', 'ada.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
    assert.ok(lines.length <= maxSignedHeads)
    const { heads } = readSeal(home, user)
    assert.equal(heads[0]?.seq, 1)
    assert.equal(heads.at(-1)?.seq, maxSignedHeads * 2)
  })
})

void test('thinning keeps order and the newer half', () => {
  const heads = [1, 2, 3, 4, 5, 6].map((seq) => ({ ...head(seq), at: 0, signature: '' }))
  assert.deepEqual(
    thinOut(heads).map((signed) => signed.seq),
    [1, 3, 4, 5, 6],
  )
})

void test('a head that cannot be written is told once and ends nothing, and the next one is written whole', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(1))
    const path = join(home.runner, 'heads', 'ada.jsonl')
    rmSync(path)
    mkdirSync(path)
    assert.match(signer.sign(head(2)) ?? '', /cannot be kept in .*ada\.jsonl: EISDIR/)
    assert.equal(signer.sign(head(3)), null)
    rmSync(path, { recursive: true })
    // What a full disk leaves of a line.
    appendFileSync(path, '{"seq":2,"ha')
    assert.equal(signer.sign(head(4)), null)
    assert.equal(signer.sign(head(5)), null)
    assert.deepEqual(
      readSeal(home, user).heads.map(({ seq }) => seq),
      [1, 4, 5],
    )
  })
})
