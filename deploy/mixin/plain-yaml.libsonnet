// Renders groups as the plain YAML of deploy/prometheus, with each comment above its rule.
local lines(text) = std.split(std.rstripChars(text, '\n'), '\n');
local indented(text, by) = std.join('\n', [if line == '' then '' else by + line for line in lines(text)]);
local block(key, text, by) =
  if std.length(lines(text)) == 1 then "%s%s: '%s'" % [by, key, std.strReplace(lines(text)[0], "'", "''")]
  else '%s%s: |\n%s' % [by, key, indented(text, by + '  ')];
local mapping(key, object, by) =
  std.join('\n', ['%s%s:' % [by, key]] + [block(k, object[k], by + '  ') for k in std.objectFields(object)]);

local rule(r) =
  local key = if std.objectHas(r, 'alert') then 'alert' else 'record';
  local comment =
    if std.objectHasAll(r, 'comment') && r.comment != '' then
      std.join('\n', [if line == '' then '      #' else '      # ' + line for line in lines(r.comment)]) + '\n'
    else '';
  comment + std.join('\n', std.prune([
    '      - %s: %s' % [key, r[key]],
    block('expr', r.expr, '        '),
    if std.objectHas(r, 'for') then '        for: %s' % r['for'],
    if std.objectHas(r, 'keep_firing_for') then '        keep_firing_for: %s' % r.keep_firing_for,
    if std.objectHas(r, 'labels') then mapping('labels', r.labels, '        '),
    if std.objectHas(r, 'annotations') then mapping('annotations', r.annotations, '        '),
  ]));

function(header, groups)
  header + 'groups:\n' + std.join('\n', [
    '  - name: %s\n    interval: %s\n    rules:\n%s' % [group.name, group.interval, std.join('\n\n', [rule(r) for r in group.rules])]
    for group in groups
  ])
