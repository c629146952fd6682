/**
 * Where very many vectors of a user have an index of pgvector: its table, and up to which version of the user's memory it knows them.
 * Only in Postgres. The tables themselves are made by whoever does upkeep, each with the dimensions of its model; see
 * `postgres/near`. And from here on words of a bucket that is not full have no rows; see `postgres/memory/posting-writer.ts`.
 */
import type { MigrationStep } from '../migration-step.ts'

export const nearIndexStep: MigrationStep = {
  up: (on) =>
    on.only(
      'postgres',
      on.table('memory_near', { user: 'text', model: 'text', began: 'whole', name: 'text', version: 'whole' }, ['user', 'model']),
    ),
  down: (on) =>
    on.only(
      'postgres',
      `do $$ declare kept text; begin
        for kept in select name from memory_near loop execute format('drop table if exists %I', kept); end loop;
      end $$`,
      on.schema.dropTable('memory_near'),
      // An older program takes words without rows for no words, and where there are no rows at all makes them anew.
      'delete from memory_posting',
    ),
}
