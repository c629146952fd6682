/**
 * Vectors of 64 dimensions and more are written in sixteen bits a number from here on; see `search/vector-block.ts`. Rows that are
 * there are read as they are, so there is nothing to do. Going back, such vectors go: an older program makes them anew in the
 * background, as after a change of the embedder, and finds by words meanwhile.
 */
import type { MigrationStep } from '../migration-step.ts'

export const smallerVectorsStep: MigrationStep = {
  up: () => [],
  down: () => [
    'delete from memory_vectors where exists (select 1 from memory_model m where m."user" = memory_vectors."user" and m.model = memory_vectors.model and m.dims >= 64)',
    'delete from memory_model where dims >= 64',
  ],
}
