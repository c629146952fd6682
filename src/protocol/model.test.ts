import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ModelPrice, priceOf, type Usage } from './index.ts'

const usage = (inputTokens: number, outputTokens: number, more: Partial<Usage> = {}): Usage => ({
  inputTokens,
  outputTokens,
  estimated: false,
  ...more,
})

const flat: ModelPrice = {
  inputPerMillion: 3_000_000,
  outputPerMillion: 15_000_000,
  cacheReadPerMillion: 300_000,
  cacheWritePerMillion: 3_750_000,
}

void test('input, output, cache reads and cache writes each cost their own price', () => {
  assert.equal(priceOf(flat, usage(1_000_000, 0)), 3_000_000)
  assert.equal(priceOf(flat, usage(0, 1_000_000)), 15_000_000)
  const cached = usage(1_000, 100, { cacheReadTokens: 700, cacheWriteTokens: 200 })
  assert.equal(priceOf(flat, cached), 100 * 3 + 700 * 0.3 + 200 * 3.75 + 100 * 15)
})

void test('what a price table does not say about the cache costs as input does', () => {
  const bare = { inputPerMillion: 2_000_000, outputPerMillion: 0 }
  assert.equal(priceOf(bare, usage(100, 0, { cacheReadTokens: 60, cacheWriteTokens: 30 })), 200)
})

void test('a part of a micro-dollar is a whole one', () => {
  assert.equal(priceOf({ inputPerMillion: 75_000, outputPerMillion: 300_000 }, usage(1, 0)), 1)
  assert.equal(priceOf({ inputPerMillion: 75_000, outputPerMillion: 300_000 }, usage(0, 0)), 0)
})

void test('above its bound a tier is the price of the whole request, cached parts included', () => {
  const tiered: ModelPrice = {
    ...flat,
    tiers: [
      { aboveInputTokens: 100, inputPerMillion: 6_000_000, outputPerMillion: 20_000_000, cacheReadPerMillion: 600_000 },
      { aboveInputTokens: 200, inputPerMillion: 9_000_000, outputPerMillion: 30_000_000 },
    ],
  }
  assert.equal(priceOf(tiered, usage(100, 1)), 300 + 15)
  assert.equal(priceOf(tiered, usage(101, 1, { cacheReadTokens: 100 })), 6 + 60 + 20)
  assert.equal(priceOf(tiered, usage(201, 1)), 201 * 9 + 30)
})

void test('a model without a price costs nothing here', () => {
  assert.equal(priceOf(null, usage(1_000_000, 1_000_000)), 0)
})

void test('whatever an endpoint reports, a price is a whole number that is not negative', () => {
  const hostile = fc.oneof(fc.double(), fc.maxSafeInteger(), fc.constantFrom(Infinity, -Infinity, Number.NaN, -1, 1e300))
  const rate = fc.oneof(fc.nat(1_000_000_000_000), fc.double({ min: 0, max: 1e12, noNaN: true }))
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, rate, rate, (input, output, read, write, inputPerMillion, outputPerMillion) => {
      const reported = usage(input, output, { cacheReadTokens: read, cacheWriteTokens: write })
      const price = priceOf({ inputPerMillion, outputPerMillion, cacheReadPerMillion: 1 }, reported)
      assert.ok(Number.isSafeInteger(price) && price >= 0, String(price))
    }),
  )
})

void test('a price is exact: it equals the sum in whole numbers, rounded up', () => {
  const tokens = fc.nat(2_000_000)
  fc.assert(
    fc.property(tokens, tokens, tokens, tokens, fc.nat(200_000_000), fc.nat(200_000_000), (fresh, read, write, output, a, b) => {
      const price = { inputPerMillion: a, outputPerMillion: b, cacheReadPerMillion: Math.floor(a / 10), cacheWritePerMillion: b }
      const total =
        BigInt(fresh) * BigInt(a) +
        BigInt(read) * BigInt(price.cacheReadPerMillion) +
        BigInt(write) * BigInt(b) +
        BigInt(output) * BigInt(b)
      const reported = usage(fresh + read + write, output, { cacheReadTokens: read, cacheWriteTokens: write })
      assert.equal(BigInt(priceOf(price, reported)), (total + 999_999n) / 1_000_000n)
    }),
  )
})

void test('more tokens never cost less where no tier is cheaper than the one below', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(1_000_000), fc.nat(1_000_000), (input, more, output) => {
      const tiered: ModelPrice = { ...flat, tiers: [{ ...flat, inputPerMillion: 6_000_000, aboveInputTokens: 200_000 }] }
      assert.ok(priceOf(tiered, usage(input + more, output)) >= priceOf(tiered, usage(input, output)))
    }),
  )
})
