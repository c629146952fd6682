/** One key of the configuration: its control, what it means, where its value comes from, and the way back to the default. */
import { RotateCcw } from 'lucide-react'
import type { ReactNode } from 'react'
import { assertNever, type Json } from '../../../../src/base/index.ts'
import type { ConfigSource, TomlValue } from '../../../../src/config/index.ts'
import { IconButton } from '../../ui/button.tsx'
import { Select, Switch, TextArea, TextField } from '../../ui/field.tsx'
import { Badge } from '../../ui/layout.tsx'
import { type ConfigField, problemOf, shownText, typedValue } from './config-fields.ts'

const sourceTexts: Readonly<Record<Exclude<ConfigSource, 'default'>, string>> = {
  machine: 'of this machine',
  all_users: 'from the file of all users',
  user: 'set by you',
  environment: 'from a variable',
  command: 'from the command line',
}

interface SettingFieldProps {
  readonly field: ConfigField
  /** As it applies, or as it was changed on this page. */
  readonly value: Json
  readonly source: ConfigSource
  readonly isChanged: boolean
  readonly isLocked: boolean
  /** Null: the default, or what is below this user's file. */
  readonly onChange: (value: TomlValue | null) => void
  readonly onEditFile: () => void
}

export function SettingField(props: SettingFieldProps): ReactNode {
  const { field, source, isChanged, isLocked, onChange } = props
  return (
    <div className="setting" data-changed={isChanged || undefined}>
      <SettingControl {...props} />
      <div className="setting-source">
        {isChanged ? (
          <Badge tone="accent">changed</Badge>
        ) : (
          source !== 'default' && <Badge tone={source === 'user' ? 'good' : 'neutral'}>{sourceTexts[source]}</Badge>
        )}
        {source === 'user' && !isChanged && !isLocked && field.control.kind !== 'table' && (
          <IconButton icon={<RotateCcw />} size="s" label={`Reset ${field.name}`} onClick={() => onChange(null)} />
        )}
      </div>
    </div>
  )
}

function SettingControl({ field, value, isLocked, onChange, onEditFile }: SettingFieldProps): ReactNode {
  const { name, control, isOptional, description } = field
  const hint = <Prose text={description} />
  const typed = (text: string): void => onChange(typedValue(field, text))
  const shared = { label: name, hint, disabled: isLocked }
  const problem = problemOf(field, value as TomlValue | null)
  switch (control.kind) {
    case 'switch':
      return <Switch label={name} isOn={value === true} onChange={onChange} hint={description} disabled={isLocked} />
    case 'choice': {
      const options = control.options.map((option) => ({ value: option, label: option === '' ? 'none' : option }))
      const all = isOptional ? [{ value: '', label: 'unset' }, ...options] : options
      return <Select {...shared} options={all} value={shownText(value)} onChange={(event) => typed(event.target.value)} />
    }
    case 'number':
      return (
        <TextField
          {...shared}
          inputMode="decimal"
          className="setting-number"
          placeholder={isOptional ? 'unset' : undefined}
          value={Number.isNaN(value) ? '' : shownText(value)}
          problem={problem}
          onChange={(event) => typed(event.target.value)}
        />
      )
    case 'list':
      return (
        <TextArea
          {...shared}
          className="setting-list"
          rows={Math.min(6, Math.max(2, Array.isArray(value) ? value.length : 1))}
          placeholder="One on each line"
          value={shownText(value)}
          problem={problem}
          onChange={(event) => onChange(event.target.value.split('\n'))}
          onBlur={(event) => typed(event.target.value)}
        />
      )
    case 'table':
      return <TableSetting {...{ name, description, value, onEditFile }} />
    case 'text':
      return field.key.at(-1) === 'instructions' ? (
        <TextArea {...shared} value={shownText(value)} onChange={(event) => typed(event.target.value)} />
      ) : (
        <TextField {...shared} value={shownText(value)} onChange={(event) => typed(event.target.value)} />
      )
    default:
      return assertNever(control)
  }
}

interface TableSettingProps {
  readonly name: string
  readonly description: string
  readonly value: Json
  readonly onEditFile: () => void
}

function TableSetting({ name, description, value, onEditFile }: TableSettingProps): ReactNode {
  const entries = Object.entries((value ?? {}) as Record<string, Json>)
  return (
    <div className="field">
      <span className="setting-name">{name}</span>
      {entries.length > 0 && (
        <ul className="setting-table">
          {entries.map(([key, inner]) => (
            <li key={key}>
              <code>{key}</code> {typeof inner === 'string' ? inner : JSON.stringify(inner)}
            </li>
          ))}
        </ul>
      )}
      <p className="field-hint">
        <Prose text={description} />{' '}
        <button type="button" className="row-button" onClick={onEditFile}>
          {entries.length === 0 ? 'Add in the file' : 'Edit in the file'}
        </button>
      </p>
    </div>
  )
}

/** Descriptions mark keys and values as code, as Markdown does. */
function Prose({ text }: { readonly text: string }): ReactNode {
  return text.split('`').map((part, index) => (index % 2 === 1 ? <code key={`${index}${part}`}>{part}</code> : part))
}
