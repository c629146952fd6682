/** Reads single vectors, to compare them exactly. */
import type { UserId } from '../../types/index.ts'
import { ask, type Ask, type Asking } from './asking.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import { readTexts } from '../memory/read-texts.ts'
import { blockOf, openBlock } from './vector-block.ts'

export interface VectorReading {
  /** @returns the vectors of these passages that there are */
  read(model: ModelRow, passages: readonly number[]): Asking<ReadonlyMap<number, Float32Array>>
  /** The only question that reading them will ask, where it is one: who knows it may ask it before. */
  question?(model: ModelRow, passages: readonly number[]): Ask
}

/** Whole rows of several vectors: where a row is read from memory that is at hand. */
export function readBlocks(user: UserId): VectorReading {
  return {
    *read({ model, dims }, passages) {
      const wanted = new Set(passages)
      const vectors = new Map<number, Float32Array>()
      for (const block of new Set(passages.map(blockOf))) {
        const [row] = yield* ask<BlockRow>({ text: readTexts.block, args: { user, model, block } })
        if (row === undefined) continue
        for (const [passage, vector] of openBlock(row, dims, wanted)) vectors.set(passage, vector)
      }
      return vectors
    },
  }
}
