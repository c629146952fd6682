import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { oggOf, wavOf } from '../../../test/channels/fakes/audio.ts'
import { audioFacts } from './audio-length.ts'

/** @returns so many frames of MPEG 1, layer 3, 128 kbit/s, 44 100 Hz */
const mp3Of = (frames: number): Buffer => {
  const frame = Buffer.alloc(417)
  frame.writeUInt32BE(0xfffb9064)
  return Buffer.concat(Array.from({ length: frames }, () => frame))
}

describe('the length of audio', () => {
  it('counts the packets of Opus, whatever the pages say of their position', () => {
    assert.deepEqual(audioFacts(oggOf(2.5)), { mime: 'audio/ogg', seconds: 2.5 })
    assert.deepEqual(audioFacts(oggOf(660)), { mime: 'audio/ogg', seconds: 660 })
  })

  it('counts the bytes of WAV, also where a program did not know how many would come', () => {
    const wav = wavOf(2)
    assert.deepEqual(audioFacts(wav), { mime: 'audio/wav', seconds: 2 })
    wav.writeUInt32LE(0xffffffff, 40)
    assert.deepEqual(audioFacts(wav), { mime: 'audio/wav', seconds: 2 })
    // It says that a second takes more bytes than it does.
    wav.writeUInt32LE(32_000_000, 28)
    assert.equal(audioFacts(wav)?.seconds, 2)
  })

  it('counts the frames of MP3, behind a tag, and behind what only looks like one', () => {
    const seconds = (bytes: Buffer): number => Math.round((audioFacts(bytes)?.seconds ?? 0) * 1_000)
    assert.equal(seconds(mp3Of(100)), 2_612)
    const tag = Buffer.from('ID3\x04\x00\x00\x00\x00\x01\x00', 'latin1')
    assert.equal(seconds(Buffer.concat([tag, Buffer.alloc(128), mp3Of(100)])), 2_612)
    assert.equal(seconds(Buffer.concat([mp3Of(50), Buffer.from('noise'), mp3Of(50)])), 2_612)
  })

  it('is not known of what is damaged, empty or no audio', () => {
    const headers = ['OggS', 'RIFF____WAVE', 'fLaC', '____ftypM4A ', 'ID3', 'ÿû', '%PDF-', '']
    for (const text of headers) assert.equal(audioFacts(Buffer.from(text, 'latin1')), null, text)
    assert.equal(audioFacts(oggOf(3).subarray(0, 80)), null)
    const zeros = wavOf(1)
    zeros.fill(0, 20, 36)
    assert.equal(audioFacts(zeros), null)
  })

  it('is found or not, and nothing throws or hangs, whatever the bytes are', () => {
    const heads = [oggOf(1), wavOf(0), mp3Of(3), Buffer.from('fLaC'), Buffer.from('\0\0\0\x18ftypM4A \0\0\0\0', 'latin1')]
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 60 }), (head, noise, cut) => {
        const bytes = Buffer.concat([head.subarray(0, Math.max(4, head.length - cut)), noise])
        const facts = audioFacts(bytes)
        assert.ok(facts === null || (facts.seconds > 0 && Number.isFinite(facts.seconds)))
      }),
    )
  })
})
