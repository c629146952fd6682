/**
 * Budgets that several users share, whose guests run on many nodes. Each guest holds a part of what is left, takes more when it needs more, and
 * gives back what it does not need; so what was spent and what is held together never exceed a limit, and a call asks only its own guest.
 *
 * A part is held by a row that survives its guest: what was spent is taken out of it in the transaction of the record that says so, for calls
 * that a crash interrupted as well, and the next guest of the user has what is left of it.
 */
import type { UserId } from '../../../base/index.ts'
import type { SharedBudgetReport } from '../../../config/index.ts'
import { userScope } from '../../../protocol/index.ts'
import type { SharedBudget } from '../../store.ts'
import type { spendColumns } from '../../sql/journal-rules.ts'
import { jsonRows, type PostgresSession, type Query } from '../postgres-session.ts'
import type { OwnWrite } from '../write-transaction.ts'

/** When the window of a budget began. */
const began = `case b."span" when 'total' then b."since"
  else (extract(epoch from date_trunc(b."span", now() at time zone 'utc') at time zone 'utc') * 1000)::bigint end`

/** The budgets of the user, locked in order, in their window of now; with the part that the user holds. */
const lockText = `select b."name", b."span", b."max_micro_dollars", b."max_tokens", b."held_micro_dollars", b."held_tokens",
    case when ${began} > b."since" then 0 else b."used_micro_dollars" end, case when ${began} > b."since" then 0 else b."used_tokens" end,
    m."micro_dollars", m."tokens"
  from "cluster_member" m join "cluster_budget" b on b."name" = m."budget" where m."user" = $1 order by b."name" for update of b`

const takeText = `with r as (select * from json_to_recordset($2::json) as r("name" text, "micro_dollars" bigint, "tokens" bigint)),
    own as (update "cluster_member" m set "micro_dollars" = m."micro_dollars" + r."micro_dollars", "tokens" = m."tokens" + r."tokens"
      from r where m."user" = $1 and m."budget" = r."name")
  update "cluster_budget" b set "held_micro_dollars" = b."held_micro_dollars" + r."micro_dollars",
    "held_tokens" = b."held_tokens" + r."tokens" from r where b."name" = r."name"`

/** @returns what a `share` of a batch runs: each ask takes as much as is left, or gives back what is negative */
export function shareWrite(user: UserId): OwnWrite {
  return async (session, extra) => {
    if (extra.kind !== 'share') return { result: null }
    const rows = await session.rows({ name: 'lock_shared', text: lockText, values: [user] })
    const taken: { name: string; micro_dollars: number; tokens: number }[] = []
    const found = rows.map((row): SharedBudget => {
      const [name, span] = row as [string, string]
      const [maxMoney, maxTokens, heldMoney = 0, heldTokens = 0, usedMoney = 0, usedTokens = 0, money = 0, tokens = 0] = row.slice(
        2,
      ) as number[]
      const ask = extra.asks.find((each) => each.name === name)
      const more = {
        name,
        micro_dollars: granted(ask?.microDollars ?? 0, money, maxMoney ?? null, usedMoney + heldMoney),
        tokens: granted(ask?.tokens ?? 0, tokens, maxTokens ?? null, usedTokens + heldTokens),
      }
      if (more.micro_dollars !== 0 || more.tokens !== 0) taken.push(more)
      return {
        name,
        span,
        limit: { microDollars: maxMoney ?? null, tokens: maxTokens ?? null },
        used: { microDollars: usedMoney, tokens: usedTokens },
        held: { microDollars: money + more.micro_dollars, tokens: tokens + more.tokens },
      }
    })
    if (taken.length > 0) await session.rows({ name: 'take_shared', text: takeText, values: [user, jsonRows(taken)] })
    return { result: JSON.stringify(found) }
  }
}

/** @param own what the user holds already @param inUse spent and held, by everybody */
function granted(asked: number, own: number, limit: number | null, inUse: number): number {
  if (limit === null) return -own
  return asked < 0 ? -Math.min(-asked, own) : Math.min(asked, Math.max(0, limit - inUse))
}

const settleText = `with own as (select "budget", least("micro_dollars", $2::bigint) as money, least("tokens", $3::bigint) as tokens
      from "cluster_member" where "user" = $1),
    part as (update "cluster_member" m set "micro_dollars" = m."micro_dollars" - own.money, "tokens" = m."tokens" - own.tokens
      from own where m."user" = $1 and m."budget" = own."budget")
  update "cluster_budget" b set "since" = ${began},
    "used_micro_dollars" = case when ${began} > b."since" then 0 else b."used_micro_dollars" end + $2::bigint,
    "used_tokens" = case when ${began} > b."since" then 0 else b."used_tokens" end + $3::bigint,
    "held_micro_dollars" = b."held_micro_dollars" - own.money, "held_tokens" = b."held_tokens" - own.tokens
  from own where b."name" = own."budget"`

/** What the user has spent, in the shared budgets of the user: goes out with the rows that say so. */
export function settleShared(user: UserId, spent: ReadonlyMap<string, ReturnType<typeof spendColumns>>): readonly Query[] {
  const spend = spent.get(userScope(user))
  if (spend === undefined || (spend.micro_dollars === 0 && spend.tokens === 0)) return []
  return [{ name: 'settle_shared', text: settleText, values: [user, spend.micro_dollars, spend.tokens] }]
}

interface SharedBudgetTable {
  set(name: string, span: string, limit: SharedBudget['limit']): Promise<void>
  /** @returns whether there is such a budget */
  join(name: string, user: string): Promise<boolean>
  /** @returns whether the user was in it; what they hold is given back */
  leave(name: string, user: string): Promise<boolean>
  /** @returns whether there was one */
  remove(name: string): Promise<boolean>
  list(): Promise<SharedBudgetReport['budgets']>
}

/** What an administrator asks, as the owner of the tables. */
export function sharedBudgets(session: PostgresSession): SharedBudgetTable {
  const rows = (text: string, values: readonly unknown[] = []) => session.rows({ text, values })
  return {
    async set(name, span, limit) {
      await rows(
        `insert into "cluster_budget" ("name", "span", "max_micro_dollars", "max_tokens") values ($1, $2, $3, $4) on conflict ("name") do update
         set "span" = excluded."span", "max_micro_dollars" = excluded."max_micro_dollars", "max_tokens" = excluded."max_tokens"`,
        [name, span, limit.microDollars, limit.tokens],
      )
    },
    async join(name, user) {
      const [found] = await rows(`select 1 from "cluster_budget" where "name" = $1`, [name])
      if (found !== undefined)
        await rows(`insert into "cluster_member" ("user", "budget") values ($2, $1) on conflict do nothing`, [name, user])
      return found !== undefined
    },
    async leave(name, user) {
      const gone = await rows(
        `with gone as (delete from "cluster_member" where "budget" = $1 and "user" = $2 returning *)
         update "cluster_budget" b set "held_micro_dollars" = b."held_micro_dollars" - gone."micro_dollars",
           "held_tokens" = b."held_tokens" - gone."tokens" from gone where b."name" = gone."budget" returning 1`,
        [name, user],
      )
      return gone.length > 0
    },
    async remove(name) {
      return (await rows(`delete from "cluster_budget" where "name" = $1 returning 1`, [name])).length > 0
    },
    async list() {
      const found = await rows(
        `select b."name", b."span", b."max_micro_dollars", b."max_tokens", b."held_micro_dollars", b."held_tokens",
           case when ${began} > b."since" then 0 else b."used_micro_dollars" end, case when ${began} > b."since" then 0 else b."used_tokens" end,
           (select coalesce(json_agg(m."user" order by m."user"), '[]')::text from "cluster_member" m where m."budget" = b."name")
         from "cluster_budget" b order by 1`,
      )
      return found.map((row) => {
        const [maxMoney, maxTokens, heldMoney = 0, heldTokens = 0, usedMoney = 0, usedTokens = 0] = row.slice(2, 8) as number[]
        return {
          name: String(row[0]),
          span: String(row[1]),
          limit: { microDollars: maxMoney ?? null, tokens: maxTokens ?? null },
          used: { microDollars: usedMoney, tokens: usedTokens },
          held: { microDollars: heldMoney, tokens: heldTokens },
          members: JSON.parse(String(row[8])) as string[],
        }
      })
    },
  }
}
