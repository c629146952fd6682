import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Clock } from '../../base/index.ts'
import { checkHeads, parseHead, signedHeadText } from '../../protocol/index.ts'
import { openHeadSigner, readSeal, signRestore } from './head-signing.ts'
import { thinOut } from './heads-file.ts'
import { openHome, parseUser } from '../home.ts'
import type { Home } from '../home.ts'
import { headCountDelayMs, maxSignedHeads } from '../limits.ts'

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

const seqs = (home: Home): readonly (number | undefined)[] => readSeal(home, user).lines.map((line) => parseHead(line)?.seq)

function faults(home: Home): readonly string[] {
  const seal = readSeal(home, user)
  return checkHeads(user, seal, createPublicKey(seal.publicKey)).faults.map(({ why }) => why)
}

void test('a reported head is signed, survives a restart, and is valid for its user only', () => {
  withHome((home) => {
    assert.equal(openHeadSigner(home, user, clock).sign(head(3)), null)
    assert.equal(openHeadSigner(home, user, clock).sign(head(9)), null)
    assert.deepEqual(seqs(home), [0, 3, 9])
    const seal = readSeal(home, user)
    const key = createPublicKey(seal.publicKey)
    assert.deepEqual(checkHeads('ada', seal, key).faults, [])
    assert.ok(checkHeads('eve', seal, key).faults.length >= 3)
    assert.equal(statSync(join(home.runner, 'signing-key.pem')).mode & 0o777, 0o600)
  })
})

void test('a journal that goes back behind a signed head is reported and not signed', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(9))
    assert.match(signer.sign(head(8)) ?? '', /record 8/)
    assert.match(signer.sign(head(9, 'b')) ?? '', /another record 9/)
    assert.match(signer.newest()?.problem ?? '', /another record 9/)
    assert.equal(signer.sign(head(9)), null)
    assert.deepEqual(signer.newest(), { ...head(9), at: clock.now(), n: 2, problem: '' })
    assert.deepEqual(seqs(home), [0, 9])
  })
})

void test('a torn last line is dropped and harms no other', () => {
  withHome((home) => {
    openHeadSigner(home, user, clock).sign(head(1))
    appendFileSync(join(home.runner, 'heads', 'ada.jsonl'), '{"seq":2,"ha')
    openHeadSigner(home, user, clock).sign(head(3))
    assert.deepEqual(seqs(home), [0, 1, 3])
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
    assert.deepEqual([seqs(home)[0], seqs(home).at(-1)], [0, maxSignedHeads * 2])
    assert.deepEqual(faults(home), [])
  })
})

void test('thinning keeps order, the newer half, and restores', () => {
  const restore = { call: '', from: head(1), by: '', fault: '' }
  const heads = [1, 2, 3, 4, 5, 6, 7, 8].map((seq) => ({ ...head(seq), at: 0, signature: '', ...(seq === 4 && { restore }) }))
  const kept = thinOut(heads.map((signed) => JSON.stringify(signed)))
  assert.deepEqual(
    kept.map((line) => parseHead(line)?.seq),
    [1, 3, 4, 5, 6, 7, 8],
  )
})

void test('a head that cannot be written is reported once without ending the guest, and the next one is written completely', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(1))
    const path = join(home.runner, 'heads', 'ada.jsonl')
    rmSync(path)
    mkdirSync(path)
    assert.match(signer.sign(head(2)) ?? '', /cannot be written to .*ada\.jsonl: EISDIR/)
    assert.equal(signer.sign(head(3)), null)
    rmSync(path, { recursive: true })
    // What a full disk leaves of a line.
    appendFileSync(path, '{"seq":2,"ha')
    assert.equal(signer.sign(head(4)), null)
    assert.equal(signer.sign(head(5)), null)
    assert.deepEqual(seqs(home), [0, 1, 4, 5])
  })
})

const headsFile = (home: Home): string => join(home.runner, 'heads', 'ada.jsonl')
const countFile = (home: Home): string => join(home.runner, 'heads', 'ada.count.json')

void test('a removed, changed or moved head breaks the chain, and nothing is signed after it', () => {
  const harms: readonly ((lines: string[]) => readonly string[])[] = [
    (lines) => lines.toSpliced(2, 1),
    (lines) => lines.toSpliced(0, 1),
    (lines) => lines.slice(0, -1),
    (lines) => lines.slice(0, 1),
    () => [],
    (lines) => [...lines.slice(0, 2), lines[3]!, lines[2]!, lines[4]!],
    (lines) => lines.with(2, lines[2]!.replace('"seq":2', '"seq":7')),
  ]
  for (const harm of harms) {
    withHome((home) => {
      const signer = openHeadSigner(home, user, clock)
      for (const seq of [1, 2, 3, 4]) assert.equal(signer.sign(head(seq)), null)
      signer.close()
      assert.deepEqual(faults(home), [])
      const lines = readFileSync(headsFile(home), 'utf8').trimEnd().split('\n')
      const harmed = harm(lines)
        .map((line) => `${line}\n`)
        .join('')
      writeFileSync(headsFile(home), harmed)
      assert.ok(faults(home).length > 0, String(harm))
      const next = openHeadSigner(home, user, clock)
      assert.match(next.sign(head(9)) ?? '', /do not hold: .*Nothing new is signed/)
      assert.equal(next.sign(head(10)), null)
      next.close()
      assert.equal(readFileSync(headsFile(home), 'utf8'), harmed)
    })
  }
})

void test('a count that is removed, changed or of other heads is detected', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(1))
    const early = readFileSync(countFile(home), 'utf8')
    signer.sign(head(2))
    signer.close()
    const good = readFileSync(countFile(home), 'utf8')
    writeFileSync(countFile(home), good.replace('"n":3', '"n":2'))
    assert.match(faults(home).join(), /count of signed heads is not the runner’s/)
    rmSync(countFile(home))
    assert.match(faults(home).join(), /count of signed heads was removed/)
    // One that is older says less, and nothing that is wrong.
    writeFileSync(countFile(home), early)
    assert.deepEqual(faults(home), [])
  })
})

void test('heads are counted when they are a minute old, and the newest when the guest has ended', () => {
  withHome((home) => {
    let now = clock.now()
    const signer = openHeadSigner(home, user, { ...clock, now: () => now })
    const counted = (): number => (JSON.parse(readFileSync(countFile(home), 'utf8')) as { n: number }).n
    assert.equal(existsSync(countFile(home)), false)
    signer.sign(head(1))
    signer.sign(head(2))
    assert.equal(counted(), 1)
    now += headCountDelayMs
    signer.sign(head(3))
    assert.equal(counted(), 3)
    signer.close()
    assert.equal(counted(), 4)
  })
})

/** A head as versions without the chain wrote it. */
function olderHead(home: Home, seq: number): string {
  readSeal(home, user)
  const key = createPrivateKey(readFileSync(join(home.runner, 'signing-key.pem')))
  const stamped = { ...head(seq), at: clock.now() }
  return JSON.stringify({ ...stamped, signature: sign(null, Buffer.from(signedHeadText(user, stamped)), key).toString('base64') })
}

void test('heads that a version without the chain adds later are covered by the next one, and only if this runner signed them', () => {
  withHome((home) => {
    const before = openHeadSigner(home, user, clock)
    for (const seq of [1, 2]) before.sign(head(seq))
    before.close()
    appendFileSync(headsFile(home), `${olderHead(home, 5)}\n${olderHead(home, 7)}\n`)
    assert.deepEqual(faults(home), [])
    const seal = readSeal(home, user)
    assert.deepEqual(
      checkHeads(user, seal, createPublicKey(seal.publicKey)).others.map(({ seq }) => seq),
      [5, 7],
    )
    const signer = openHeadSigner(home, user, clock)
    assert.equal(signer.sign(head(7)), null)
    assert.equal(signer.sign(head(9)), null)
    signer.close()
    assert.deepEqual(seqs(home), [0, 1, 2, 5, 7, 7, 7, 9])
    assert.deepEqual(faults(home), [])
    assert.deepEqual(checkHeads(user, readSeal(home, user), null).others, [])

    appendFileSync(headsFile(home), `${olderHead(home, 11).replace('"seq":11', '"seq":12')}\n`)
    assert.deepEqual(faults(home), ['the signature is not the runner’s'])
    assert.match(openHeadSigner(home, user, clock).sign(head(14)) ?? '', /the signature is not the runner’s\. Nothing new is signed/)
  })
})

void test('a head in a future format belongs to another version, and nothing is signed over it', () => {
  withHome((home) => {
    openHeadSigner(home, user, clock).sign(head(1))
    const [, line = ''] = readSeal(home, user).lines
    appendFileSync(headsFile(home), `${line.replace('"format":2', '"format":3')}\n`)
    assert.match(faults(home)[0] ?? '', /in format 3, of another version of Oxbow: use that version, or a newer one/)
    assert.match(openHeadSigner(home, user, clock).sign(head(4)) ?? '', /of another version of Oxbow/)
  })
})

void test('opening and reading add nothing', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    assert.equal(signer.newest(), null)
    readSeal(home, user)
    signer.close()
    assert.equal(existsSync(headsFile(home)), false)
    assert.equal(existsSync(countFile(home)), false)
  })
})

void test('runners of guests that follow each other write one chain, and a head that comes late is covered', () => {
  withHome((home) => {
    const signers = Array.from({ length: 8 }, () => openHeadSigner(home, user, clock))
    for (let seq = 1; seq <= 40; seq += 1) assert.equal(signers[seq % signers.length]!.sign(head(seq)), null)
    assert.equal(signers[3]!.sign(head(39, 'b')), null)
    for (const signer of signers) signer.close()
    assert.deepEqual(faults(home), [])
    assert.deepEqual(seqs(home), [0, ...Array.from({ length: 40 }, (_, at) => at + 1)])
  })
})

void test('heads of a version that did not chain them are kept, and covered by the first chained one', () => {
  withHome((home) => {
    const older = [3, 5].map((seq) => olderHead(home, seq))
    mkdirSync(join(home.runner, 'heads'))
    writeFileSync(headsFile(home), older.map((line) => `${line}\n`).join(''))
    assert.deepEqual(faults(home), [])
    const signer = openHeadSigner(home, user, clock)
    signer.sign(head(9))
    signer.close()
    assert.deepEqual(seqs(home), [3, 5, 5, 9])
    assert.deepEqual(faults(home), [])
    const lines = readFileSync(headsFile(home), 'utf8')
    writeFileSync(headsFile(home), lines.replace(`${older[0]}\n`, ''))
    assert.match(faults(home).join(), /before it were changed or removed/)
  })
})

void test('a restore is signed even over truncated heads, records that, and heads continue after it', () => {
  withHome((home) => {
    const signer = openHeadSigner(home, user, clock)
    for (const seq of [1, 2, 3]) signer.sign(head(seq))
    signer.close()
    const lines = readFileSync(headsFile(home), 'utf8').split('\n')
    writeFileSync(headsFile(home), `${lines.slice(0, 2).join('\n')}\n`)
    signRestore(home, user, clock, { call: 'c', from: head(3), to: head(2, 'b'), by: 'ann' })
    const restored = parseHead(readSeal(home, user).lines.at(-1) ?? '')
    assert.match(restored?.restore?.fault ?? '', /heads were removed/)
    assert.deepEqual(faults(home), [])
    const next = openHeadSigner(home, user, clock)
    assert.equal(next.sign(head(4)), null)
    assert.deepEqual(faults(home), [])
  })
})
