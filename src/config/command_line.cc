#include "config/command_line.h"

#include <utility>

#include "build_config.h"
#include "config/arguments.h"
#include "config/assemble.h"
#include "config/certificates.h"
#include "config/config_file.h"
#include "config/file.h"
#include "config/settings.h"
#include "config/variables.h"
#include "config/web_proxy.h"

namespace localproxy::config {
namespace {

Result<Outcome> export_settings(const Layer& layer) {
  const std::string& path = layer.text(OptionId::kExportDefaultSettings);
  if (path == "-") return Outcome(Print{default_settings_text()});
  if (auto written = write_file(path, default_settings_text()); !written)
    return Error("--export-default-settings: " + written.error().text());
  return Outcome(Print{""});
}

}  // namespace

Result<Outcome> parse_command_line(int argc, const char* const* argv, Environment environment) {
  auto arguments = read_arguments(argc, argv);
  if (!arguments) return arguments.error();
  if (arguments->help) return Outcome(Print{help_text()});
  if (arguments->version) return Outcome(Print{"localproxy " LOCALPROXY_VERSION "\n"});

  Layer layer = std::move(arguments->layer);
  if (layer.has(OptionId::kExportDefaultSettings)) return export_settings(layer);

  Run run;
  run.notes = std::move(arguments->notes);
  if (layer.has(OptionId::kConfig)) {
    auto file = read_config_file(layer.text(OptionId::kConfig), run.notes);
    if (!file) return file.error();
    layer.fill_from(std::move(*file));
  }
  layer.fill_from(read_variables(environment));

  FineSettings fine;
  if (layer.has(OptionId::kSettingsJson)) {
    auto read = read_settings_file(layer.text(OptionId::kSettingsJson), run.notes);
    if (!read) return read.error();
    fine = std::move(*read);
  }
  if (layer.has(OptionId::kSandboxReport)) {
    if (layer.has(OptionId::kCheck)) return Error("--check and --sandbox-report exclude each other");
    run.purpose = Purpose::kSandboxReport;
    auto config = assemble_sandbox(std::move(layer), run.notes);
    if (!config) return config.error();
    run.config = std::move(*config);
    return Outcome(std::move(run));
  }
  if (layer.has(OptionId::kCheck)) run.purpose = Purpose::kCheck;
  auto config = assemble(std::move(layer), fine, run.notes);
  if (!config) return config.error();
  run.config = std::move(*config);
  if (auto read = read_proxy_variables(environment, run.config); !read) return read.error();
  if (auto read = read_certificate_variables(environment, run.config, run.notes); !read) return read.error();
  return Outcome(std::move(run));
}

}  // namespace localproxy::config
