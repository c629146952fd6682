/** Settings: a form of every key of the configuration, or the text of the file. Nothing is saved before it was checked and reviewed. */
import { History, Search } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import type { InputOf } from '../../../../src/client/browser-client.ts'
import type { Json, JsonObject } from '../../../../src/base/index.ts'
import type { ConfigSource, TomlValue } from '../../../../src/config/index.ts'
import { navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { type ShownConfig, useApplyConfig, useConfig } from '../../data/settings.ts'
import { Button } from '../../ui/button.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { Card, Page } from '../../ui/layout.tsx'
import { Empty, Loading, NoticeBar, Problem, ProblemLine } from '../../ui/states.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { type ConfigField, type ConfigSection, problemOf, sectionsOf } from './config-fields.ts'
import { ReviewDialog } from './review-dialog.tsx'
import { SettingField } from './setting-field.tsx'
import './settings.css'

export default function SettingsPage({ place }: PageProps): ReactNode {
  const config = useConfig()
  const schema = useCall('config.schema', {})
  const failure = config.failure ?? schema.failure
  const { data } = config
  const body = ((): ReactNode => {
    if (failure !== null) return <Problem failure={failure} onRetry={config.refresh} />
    if (data === undefined || schema.data === undefined) return <Loading />
    return <Settings key={data.hash} config={data} schema={schema.data} refresh={config.refresh} tab={place.segments[1] ?? 'form'} />
  })()
  return (
    <Page title="Settings" intro="How Oxbow works for you. Every change is checked, shown, and can be taken back.">
      {body}
    </Page>
  )
}

interface SettingsProps {
  readonly config: ShownConfig
  readonly schema: JsonObject
  readonly refresh: () => void
  readonly tab: string
}

function Settings({ config, schema, refresh, tab }: SettingsProps): ReactNode {
  const [changes, setChanges] = useState<ReadonlyMap<string, Change>>(new Map())
  const [text, setText] = useState(config.text)
  const [draft, setDraft] = useState<InputOf<'config.save'>['draft'] | null>(null)
  const apply = useApplyConfig()
  const isLocked = config.locked !== ''
  const save = async (saved: InputOf<'config.save'>['draft'], isRestarting: boolean): Promise<void> => {
    if ((await apply.save(saved, config.hash)) === null) return
    if (isRestarting) await apply.restart()
    setDraft(null)
    refresh()
  }
  const isText = tab === 'file'
  const count = isText ? Number(text !== config.text) : changes.size
  const isWrong = !isText && [...changes.values()].some(({ field, value }) => problemOf(field, value) !== '')
  const review = (): void =>
    setDraft(isText ? { text } : { changes: [...changes.values()].map(({ field: { key }, value }) => ({ key, value })) })
  const discard = (): void => {
    setChanges(new Map())
    setText(config.text)
  }
  const tabs = [
    { name: 'form', title: 'Form' },
    { name: 'file', title: 'File' },
  ] as const
  return (
    <>
      <SettingsNotices
        {...{ config, refresh, isBusy: apply.isBusy, onRestart: apply.restart }}
        onRestore={() => setDraft({ last_good: true })}
      />
      {draft === null && <ProblemLine failure={apply.failure} />}
      <Tabs
        label="Settings as"
        tabs={tabs}
        current={isText ? 'file' : 'form'}
        onChange={(name) => navigate(name === 'file' ? '/settings/file' : '/settings')}
      >
        {isText ? (
          <TextArea
            label={config.file}
            hint="TOML. What is not here has the value of the file of all users, or its default."
            className="settings-file"
            spellCheck={false}
            rows={22}
            readOnly={isLocked}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        ) : (
          <SettingsForm {...{ config, schema, changes, setChanges, isLocked }} />
        )}
      </Tabs>
      {count > 0 && (
        <ChangesBar
          text={isText ? 'The file is changed' : `${count} ${count === 1 ? 'change' : 'changes'}`}
          {...{ isWrong, discard, review }}
        />
      )}
      <ReviewDialog
        title={draft?.last_good === true ? 'Restore the last configuration that worked' : 'Review the changes'}
        draft={draft}
        onClose={() => setDraft(null)}
        onSave={(saved, isRestarting) => void save(saved, isRestarting)}
        isBusy={apply.isBusy}
        failure={apply.failure}
      />
    </>
  )
}

interface ChangesBarProps {
  readonly text: string
  readonly isWrong: boolean
  readonly discard: () => void
  readonly review: () => void
}

function ChangesBar({ text, isWrong, discard, review }: ChangesBarProps): ReactNode {
  return (
    <div className="settings-bar" role="region" aria-label="Changes">
      <span role="status">{text}</span>
      <Button onClick={discard}>Discard</Button>
      <Button variant="primary" disabled={isWrong} onClick={review}>
        Review and save
      </Button>
    </div>
  )
}

interface NoticesProps {
  readonly config: ShownConfig
  readonly refresh: () => void
  readonly isBusy: boolean
  readonly onRestart: () => Promise<boolean>
  readonly onRestore: () => void
}

function SettingsNotices({ config, refresh, isBusy, onRestart, onRestore }: NoticesProps): ReactNode {
  const { locked, problem, restart_problem: restartProblem, pending, last_good: lastGood } = config
  const restart = async (): Promise<void> => {
    await onRestart()
    refresh()
  }
  return (
    <>
      {locked !== '' && <NoticeBar tone="info">{locked}</NoticeBar>}
      {(problem !== '' || restartProblem !== '') && (
        <NoticeBar tone="bad" role="alert">
          {problem !== '' ? problem : `Oxbow goes on with its previous configuration: ${restartProblem}`}
        </NoticeBar>
      )}
      {problem === '' && pending.length > 0 && (
        <div className="settings-pending">
          <span>
            Saved, and not yet in force: <code>{pending.join(', ')}</code>
          </span>
          <Button isBusy={isBusy} onClick={() => void restart()}>
            Restart now
          </Button>
        </div>
      )}
      {lastGood !== null && locked === '' && (
        <div className="settings-restore">
          <Button size="s" variant="quiet" icon={<History />} onClick={onRestore}>
            Restore the last configuration that worked
          </Button>
        </div>
      )}
    </>
  )
}

interface Change {
  readonly field: ConfigField
  readonly value: TomlValue | null
}

interface SettingsFormProps {
  readonly config: ShownConfig
  readonly schema: JsonObject
  readonly changes: ReadonlyMap<string, Change>
  readonly setChanges: (changes: ReadonlyMap<string, Change>) => void
  readonly isLocked: boolean
}

function SettingsForm({ config, schema, changes, setChanges, isLocked }: SettingsFormProps): ReactNode {
  const [search, setSearch] = useState('')
  const sections = useMemo(() => sectionsOf(schema), [schema])
  const known = useMemo(() => valuesOf(config), [config])
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = ({ name, description, inside }: ConfigField): boolean =>
    words.every((word) => `${name} ${description} ${inside}`.toLowerCase().includes(word))
  const found = sections.map((section) => ({ ...section, fields: section.fields.filter(fits) })).filter(({ fields }) => fields.length > 0)
  const change = (field: ConfigField, value: TomlValue | null): void => {
    const next = new Map(changes)
    const { value: old, source } = known(field)
    const isBack = JSON.stringify(value) === JSON.stringify(old) && (value !== null || source !== 'user')
    if (isBack) next.delete(field.name)
    else next.set(field.name, { field, value })
    setChanges(next)
  }
  const fieldOf = (field: ConfigField): ReactNode => {
    const changed = changes.get(field.name)
    const { value, source } = known(field)
    const shown: Json = changed === undefined ? value : changed.value === null ? field.usual : changed.value
    return (
      <SettingField
        key={field.name}
        {...{ field, source, isLocked }}
        value={shown}
        isChanged={changed !== undefined}
        onChange={(next) => change(field, next)}
        onEditFile={() => navigate('/settings/file')}
      />
    )
  }
  return (
    <div className="settings">
      <div className="settings-side">
        <TextField
          label="Find a setting"
          isLabelHidden
          type="search"
          placeholder="Find a setting"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <SectionList sections={found} />
      </div>
      <div className="settings-sections">
        {found.length === 0 && (
          <Empty title="No setting has these words." icon={<Search />}>
            Try another word, such as “budget” or “approval”.
          </Empty>
        )}
        {found.map(({ name, title, about, fields }) => (
          <div key={name} id={`section-${name}`} className="settings-section">
            <Card title={title}>
              <p className="field-hint">{about}</p>
              {fields.map(fieldOf)}
            </Card>
          </div>
        ))}
      </div>
    </div>
  )
}

function SectionList({ sections }: { readonly sections: readonly ConfigSection[] }): ReactNode {
  return (
    <nav aria-label="Sections of the settings">
      <ul className="settings-list">
        {sections.map(({ name, title, fields }) => (
          <li key={name}>
            <button
              type="button"
              onClick={() => document.querySelector(`#section-${name}`)?.scrollIntoView({ behavior: 'smooth', block: 'start' })}
            >
              {title}
              <span className="settings-count">{fields.length}</span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Values and sources by key; a table of own keys is put together from its entries. */
function valuesOf({ entries }: ShownConfig): (field: ConfigField) => { readonly value: Json; readonly source: ConfigSource } {
  const byName = new Map(entries.map((entry) => [entry.key.join('.'), entry]))
  return ({ name, key, control, usual }) => {
    const exact = byName.get(name)
    if (control.kind !== 'table' || exact !== undefined) return { value: exact?.value ?? usual, source: exact?.source ?? 'default' }
    const inner = entries.filter((entry) => entry.key.length > key.length && key.every((part, at) => entry.key[at] === part))
    const value = Object.fromEntries(inner.map((entry) => [entry.key.slice(key.length).join('.'), entry.value]))
    return { value, source: inner.find(({ source }) => source !== 'default')?.source ?? 'default' }
  }
}
