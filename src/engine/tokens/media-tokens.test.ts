import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { MediaPart } from '../../protocol/index.ts'
import { gif, jpeg, png, webp } from './media-fixture.ts'
import { createMediaTokens, mediaTokens } from './media-tokens.ts'
import { scaled } from '../../../test/support/scale.ts'

const image = (bytes: Uint8Array, mediaType = 'image/png'): MediaPart => ({
  type: 'media',
  mediaType,
  name: '',
  data: Buffer.from(bytes).toString('base64'),
})
const cost = (wire: string, model: string, width: number, height: number): number => mediaTokens(image(png(width, height)), wire, model)

const wires = ['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'ai-sdk'] as const
const models = [
  'gpt-4o',
  'gpt-4o-mini',
  'gpt-4.1',
  'gpt-4.1-mini',
  'gpt-5',
  'gpt-5-nano',
  'gpt-5.2',
  'gpt-5.4',
  'gpt-5.5',
  'gpt-6-astra',
  'o3',
  'o4-mini',
]
const others = ['claude-opus-4-1', 'claude-opus-5', 'gemini-2.5-pro', 'gemini-3-pro', 'qwen3-vl', '']

void describe('a picture', () => {
  const table: readonly (readonly [model: string, width: number, height: number, tokens: number])[] = [
    // The examples of OpenAI's guide.
    ['gpt-4o', 1_024, 1_024, 765],
    ['gpt-4o', 2_048, 4_096, 1_105],
    ['gpt-4o', 512, 512, 255],
    ['gpt-4o-mini', 1_024, 1_024, 2_833 + 4 * 5_667],
    ['gpt-4.1-2025-04-14', 1_024, 1_024, 765],
    ['gpt-5', 1_024, 1_024, 70 + 4 * 140],
    ['o3', 1_024, 1_024, 75 + 4 * 150],
    ['gpt-5-mini', 1_024, 1_024, Math.ceil(1_024 * 1.62)],
    ['gpt-5-mini', 1_800, 2_400, Math.ceil(1_452 * 1.62)],
    ['gpt-4.1-nano', 1_024, 1_024, Math.ceil(1_024 * 2.46)],
    ['o4-mini', 1_024, 1_024, Math.ceil(1_024 * 1.72)],
    ['gpt-5.4', 6_000, 6_000, 3_000],
    ['gpt-6-astra', 640, 480, 360],
    ['gpt-5.6-sol', 1_280, 720, 1_104],
    // The examples of Google's guide.
    ['gemini-2.5-pro', 384, 384, 258],
    ['gemini-2.5-pro', 960, 540, 6 * 258],
    ['gemini-3-pro-preview', 4_000, 3_000, 1_120],
    // ⌈w/28⌉ × ⌈h/28⌉, and the largest square that is not made smaller.
    ['claude-haiku-4-5-20251001', 1_000, 1_000, 1_296],
    ['claude-sonnet-4-20250514', 200, 200, 64],
    ['claude-opus-4-7', 1_932, 1_932, 4_761],
    ['claude-3-5-sonnet-20241022', 1_092, 1_092, 1_521],
  ]
  for (const [model, width, height, tokens] of table) {
    void it(`of ${width} × ${height} costs ${tokens} tokens at ${model}`, () =>
      assert.equal(cost('openai-chat', model, width, height), tokens))
  }

  void it('that is too large for Claude costs nearly the most there is, and never more', () => {
    for (const [model, most] of [
      ['claude-opus-4-1', 1_568],
      ['claude-opus-5', 4_784],
      ['claude-opus-latest', 4_784],
    ] as const) {
      for (const [width, height] of [
        [2_752, 1_536],
        [8_000, 8_000],
        [3_000, 2_000],
      ] as const) {
        const tokens = cost('anthropic', model, width, height)
        assert.ok(tokens <= most && tokens > most * 0.95, `${model} ${width}×${height}: ${tokens}`)
      }
    }
    assert.equal(cost('anthropic', 'claude-opus-4-1', 8_000, 10), 56)
  })

  void it('is counted by the vendor of the model, or by the wire when the name is unknown', () => {
    assert.equal(cost('openai-chat', 'anthropic/claude-opus-4.8-fast', 1_000, 1_000), 1_296)
    assert.equal(cost('openai-chat', 'models/gemini-2.0-flash', 100, 100), 258)
    assert.equal(cost('anthropic', 'my-model', 1_000, 1_000), 1_296)
    assert.equal(cost('gemini', 'my-model', 1_000, 1_000), 1_120)
    assert.equal(cost('openai-chat', 'qwen3-vl', 1_000, 1_000), 1_296)
    assert.equal(cost('openai-chat', 'gpt-oss:20b', 1_000, 1_000), 1_296)
  })

  void it('costs the same as PNG, JPEG, GIF and WebP, however long its base64 is', () => {
    const tail = Buffer.alloc(300_000, 7)
    for (const bytes of [png(1_000, 500), jpeg(1_000, 500), jpeg(1_000, 500, 200_000), gif(1_000, 500), webp(1_000, 500)]) {
      assert.equal(mediaTokens(image(Buffer.concat([bytes, tail]), 'image/x'), 'anthropic', 'claude-opus-5'), 36 * 18)
    }
  })

  void it('that is broken, empty, endless or of an unknown format costs the most that the rule allows', () => {
    const broken = [
      png(0, 0),
      png(0, 100),
      png(10, 10).subarray(0, 20),
      jpeg(10, 10).subarray(0, 8),
      Buffer.alloc(0),
      Buffer.from('BM what is this'),
    ]
    for (const bytes of broken) {
      assert.equal(mediaTokens(image(bytes), 'anthropic', 'claude-opus-4-1'), 1_568)
      assert.equal(mediaTokens(image(bytes), 'openai-chat', 'gpt-4o'), 1_445)
      assert.equal(mediaTokens(image(bytes), 'gemini', 'gemini-2.5-pro'), 24 * 258)
    }
    assert.equal(cost('openai-chat', 'gpt-4o', 2 ** 31, 2 ** 31), 765)
    assert.ok(cost('openai-responses', 'gpt-6-astra', 2 ** 32 - 1, 2 ** 32 - 1) <= 36_000)
    assert.equal(mediaTokens({ ...image(png(1, 1)), data: 'not base64 at all ☂' }, 'openai-chat', 'gpt-4o'), 1_445)
  })

  void it('never costs less than one token or more than the most, whatever its size and the model', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 2 ** 32 - 1 }))
    fc.assert(
      fc.property(side, side, fc.constantFrom(...wires), fc.constantFrom(...models, ...others), (width, height, wire, model) => {
        const tokens = cost(wire, model, width, height)
        const most = mediaTokens(image(Buffer.alloc(0)), wire, model)
        assert.ok(Number.isSafeInteger(tokens) && tokens >= 1 && tokens <= most, `${tokens} of ${most}`)
      }),
      { numRuns: scaled(2_000) },
    )
  })

  void it('never costs more when both sides are halved', () => {
    const side = fc.integer({ min: 1, max: 10_000 })
    fc.assert(
      fc.property(side, side, fc.constantFrom('claude-opus-4-1', 'claude-opus-5', 'gpt-4o'), (width, height, model) => {
        assert.ok(cost('', model, width, height) <= cost('', model, width * 2, height * 2))
      }),
    )
    // The published formula of this one makes a picture that is too large smaller than it must be, to whole patches: one that is
    // just not too large may cost up to 2 % more.
    const [width, height] = [3_265, 9_233]
    assert.ok(cost('', 'gpt-6-astra', width, height) > cost('', 'gpt-6-astra', width * 2, height * 2))
    fc.assert(
      fc.property(side, side, (w, h) => {
        assert.ok(cost('', 'gpt-6-astra', w, h) * 0.98 <= cost('', 'gpt-6-astra', w * 2, h * 2))
      }),
    )
  })

  void it('may be any bytes: nothing throws', () => {
    const heads = [png(9, 9), jpeg(9, 9), gif(9, 9), webp(9, 9), Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic')]
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 200 }), fc.nat(30), (head, tail, cut) => {
        const part = image(Buffer.concat([head.subarray(0, cut), tail]))
        assert.ok(mediaTokens(part, 'anthropic', 'claude-opus-5') >= 1)
      }),
      { numRuns: scaled(1_000) },
    )
  })
})

void describe('other media', () => {
  void it('are bounded by their length: sound and film by the least that a second takes, anything else by its bytes', () => {
    const bytes = Buffer.alloc(32_000)
    assert.equal(mediaTokens(image(bytes, 'audio/mp3'), 'gemini', 'gemini-2.5-pro'), 512)
    assert.equal(mediaTokens(image(bytes, 'video/mp4'), 'gemini', 'gemini-2.5-pro'), 600)
    assert.equal(mediaTokens(image(bytes, 'text/csv'), 'openai-chat', 'gpt-4o'), 32_000)
    assert.equal(mediaTokens(image(Buffer.alloc(0), 'text/csv'), 'openai-chat', 'gpt-4o'), 1)
  })

  void it('are measured once as long as the part lives', () => {
    const tokens = createMediaTokens()
    let reads = 0
    const part: MediaPart = {
      ...image(png(1, 1)),
      get data() {
        reads += 1
        return Buffer.from(png(1_000, 1_000)).toString('base64')
      },
    }
    assert.deepEqual([tokens(part, 'openai-chat', 'gpt-4o'), tokens(part, 'anthropic', 'claude-opus-4-1')], [765, 1_296])
    assert.equal(reads, 1)
  })
})
