/** Blobs belong to a user, as all rows do: nobody reads or erases those of another. */
import type { MigrationStep } from '../migration-step.ts'

export const blobOwnerStep: MigrationStep = {
  up: (on) => [
    on.schema.alterTable('blob').renameTo('blob_of_all'),
    // Postgres keeps the name of a key when its table is renamed.
    ...on.only('postgres', 'alter index "blob_key" rename to "blob_of_all_key"'),
    on.table('blob', { user: 'text', hash: 'text', bytes: 'bytes' }, ['user', 'hash']),
    // A file holds one user. A blob that no journal can name is not taken along.
    'insert into "blob" ("user", "hash", "bytes") select u."user", b."hash", b."bytes" from "blob_of_all" b cross join (select distinct "user" from "journal") u',
    on.schema.dropTable('blob_of_all'),
  ],
  down: (on) => [
    on.schema.alterTable('blob').renameTo('blob_of_user'),
    ...on.only('postgres', 'alter index "blob_key" rename to "blob_of_user_key"'),
    on.table('blob', { hash: 'text', bytes: 'bytes' }, ['hash']),
    'insert into "blob" ("hash", "bytes") select "hash", "bytes" from "blob_of_user" where true on conflict do nothing',
    on.schema.dropTable('blob_of_user'),
  ],
}
