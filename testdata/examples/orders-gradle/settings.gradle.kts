rootProject.name = "orders"
include("app")
