/** Single vectors out of the rows that hold several: only their bytes travel. */
import type { UserId } from '../../../types/index.ts'
import { blockPassages } from '../../memory/memory-limits.ts'
import type { ModelRow } from '../../memory/memory-rows.ts'
import { ask, type Ask } from '../../search/asking.ts'
import { blockOf, openBlock } from '../../search/vector-block.ts'
import type { VectorReading } from '../../search/vector-reading.ts'

/**
 * The place of a vector in its row is the number of those before it, by the bits of the mask. Rows of the form with an odd number of
 * bytes begin with one that says so; it goes before the vector here, too.
 */
const text = `select s.passage, substring(s.bytes for s.head) || substring(s.bytes
      from s.head + s.before * ((length(s.bytes) - s.head) / s.count) + 1
      for (length(s.bytes) - s.head) / s.count) as bytes
  from (select w.passage, v.bytes, length(v.bytes) % 2 as head,
          cast(bit_count(cast(v.mask & ((1 << w.place) - 1) as bit(32))) as integer) as before,
          cast(bit_count(cast(v.mask as bit(32))) as integer) as count
        from (select cast(value as bigint) as passage, cast(value as bigint) / ${blockPassages} as block,
                cast(cast(value as bigint) % ${blockPassages} as integer) as place
              from json_array_elements_text(cast(:passages as json))) w
        cross join lateral
          (select mask, bytes from memory_vectors where "user" = :user and model = :model and block = w.block offset 0) v
        where (v.mask >> w.place) & 1 = 1) s`

export function readVectors(user: UserId): VectorReading {
  const question = ({ model }: ModelRow, passages: readonly number[]): Ask => ({
    text,
    args: { user, model, passages: JSON.stringify(passages) },
    arrays: true,
  })
  return {
    question,
    *read(model, passages) {
      const rows = yield* ask<readonly [number, Uint8Array]>(question(model, passages))
      const vectors = new Map<number, Float32Array>()
      for (const [passage, bytes] of rows) {
        const mask = 1 << (passage % blockPassages)
        const vector = openBlock({ block: blockOf(passage), mask, bytes }, model.dims).get(passage)
        if (vector !== undefined) vectors.set(passage, vector)
      }
      return vectors
    },
  }
}
